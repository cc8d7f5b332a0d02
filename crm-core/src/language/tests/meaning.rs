//! Which records a request means.

use super::*;

#[test]
fn an_expression_means_the_records_it_says() {
    for (text, found) in [
        ("", "abg"),
        ("  ", "abg"),
        ("status = open", "a"),
        ("status=\"open\"", "a"),
        ("status = 'open'", "a"),
        ("status = OPEN", "a"),
        ("\"status\" = open", "a"),
        ("status != lost", "ag"),
        ("NOT status = lost", "ag"),
        ("-status = lost", "ag"),
        ("status = (open OR lost)", "ab"),
        ("status != (open OR lost)", "g"),
        ("status:*", "ab"),
        ("status = *", "ab"),
        ("status != *", "g"),
        ("NOT status:*", "g"),
        ("status = null", "g"),
        ("status != null", "ab"),
        ("value >= 1000", "a"),
        ("value > -10.5", "ab"),
        ("value<0", "b"),
        ("value = 1000.5", "a"),
        ("value = (-5 OR 3)", "b"),
        ("score <= 3", "b"),
        ("active = true", "a"),
        ("active != true", "bg"),
        // OR binds closer than AND.
        ("status = open OR status = lost AND value < 0", "b"),
        ("value < 0 AND status = open OR status = lost", "b"),
        ("(status = open OR status = lost) AND value > 0", "a"),
        ("status = open OR (status = lost AND value > 0)", "a"),
        ("score > 1 value > 0", "a"),
        ("score > 1 NOT value > 0", "b"),
        ("score > 1 -value > 0", "b"),
        ("NOT (status = open OR status = lost)", "g"),
        ("NOT(status=open)", "bg"),
        ("(((status = open)))", "a"),
        ("createdAt >= 2026-02-01", "bg"),
        ("createdAt < 2026-02-20T08:30:00Z", "a"),
        ("createdAt <= 2026-02-20T09:30:00+01:00", "ab"),
        ("created_at = \"2026-01-10T12:00:00Z\"", "a"),
        ("closesOn = 2026-03-01", "a"),
        ("keywords:vip", "a"),
        ("keywords:rust", "ab"),
        ("keywords = rust", "ab"),
        ("keywords:(rust AND vip)", "a"),
        ("keywords:(rust NOT vip)", "b"),
        ("keywords:*", "ab"),
        ("NOT keywords:vip", "bg"),
        ("tags:vip", "a"),
        ("tags:00000000-0000-0000-0000-000000000088", "a"),
        ("ownerId = me", "a"),
        ("owner = me", "a"),
        ("address.country = DE", "a"),
        ("address.country = Germany", "a"),
        ("addressCountry:(deu OR france)", "ab"),
        ("name = \"alpha, inc. grosse\"", "a"),
        ("name:alpha", "ag"),
        ("name = \"alpha*\"", "a"),
        ("name = alpha*", "a"),
        ("name = *alpha*", "ag"),
        ("name != alpha*", "bg"),
        ("name:100%", "b"),
        (r#"name:"\*star\*""#, "b"),
        (r#"name:"\"quoted""#, "b"),
        ("name < b", "a"),
        ("alpha", "ag"),
        ("alpha gamma", "g"),
        ("alpha -gamma", "a"),
        ("\"alpha gamma\"", "g"),
        ("100%", "b"),
        ("alpha OR beta", "abg"),
        ("customFields.region = \"nord west\"", "a"),
        ("customFields.region:nord", "a"),
        ("customFields.\"the region\" = nord", "a"),
        ("custom_fields.seats > 20.5", "a"),
        ("customFields.seats:*", "a"),
        ("customFields:seats", "a"),
        ("NOT customFields:seats", "bg"),
        ("customFields.modules:erp", "a"),
        ("order = 1", "a"),
    ] {
        let filter = expression(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(names(&filter), found, "{text}");
    }
}

#[test]
fn parameters_mean_the_records_they_say() {
    for (query, found) in [
        ("", "abg"),
        ("status=open", "a"),
        ("status=open,lost", "ab"),
        ("status=open&status=lost", "ab"),
        ("status[in]=open,lost", "ab"),
        ("status[ne]=lost", "ag"),
        ("status[ne]=lost,open", "g"),
        ("status[null]=true", "g"),
        ("status[null]=false", "ab"),
        ("value[gte]=1000", "a"),
        ("value[gte]=-5&value[lt]=1000.50", "b"),
        ("value=1000.5,-5", "ab"),
        ("score[gt]=3", "a"),
        ("score[lte]=10", "ab"),
        ("active=false", "b"),
        ("keywords=vip,other", "a"),
        ("keywords=rust", "ab"),
        ("keywords[all]=rust,vip", "a"),
        ("keywords[none]=vip", "bg"),
        ("keywords[null]=true", "g"),
        ("tags=vip", "a"),
        ("ownerId=me", "a"),
        ("owner=me", "a"),
        ("createdAt[gte]=2026-02-01&createdAt[lt]=2026-03-01", "b"),
        ("created_at[gte]=2026-02-20T09:30:00 01:00", "bg"),
        ("closesOn=2026-03-01", "a"),
        ("address.country=DE,FR", "ab"),
        ("addressCountry=Germany,fra", "ab"),
        ("addressCountry[startsWith]=D", "a"),
        ("addressCountry[gte]=E", "b"),
        ("name=alpha\\, inc. größe", "a"),
        ("name=\"alpha, inc. größe\"", "a"),
        ("name[eq]=alpha, inc. größe", "a"),
        ("name[contains]=ALPHA", "ag"),
        ("name[contains]=100%", "b"),
        ("name[startsWith]=alpha", "a"),
        ("customFields.region=nord west", "a"),
        ("customFields.seats[gte]=25", "a"),
        ("customFields.seats[null]=true", "bg"),
        ("search=alpha", "ag"),
        ("search=alpha gamma", "g"),
        ("search=", "abg"),
        ("filter=status = open OR status = lost&value[lt]=0", "b"),
        ("filter=alpha&search=gamma", "g"),
        ("order[eq]=1", "a"),
        ("format=csv&status=open", "a"),
    ] {
        let request = list(query).unwrap_or_else(|error| panic!("{query}: {error}"));
        assert_eq!(names(&request.filter), found, "{query}");
    }
}

#[test]
fn windows_orders_and_the_rest_are_read_as_written() {
    let request = list("").unwrap();
    assert_eq!(request.window, Window::Page { offset: 0, limit: 20 });
    assert!(request.count && request.sort.is_empty() && request.expand.is_none());
    assert_eq!((request.page(), request.deleted), (Some(1), Deleted::Exclude));

    let request =
        list("page=3&page_size=50&count=none&includeDeleted=true&expand=tags, owner").unwrap();
    assert_eq!(request.window, Window::Page { offset: 100, limit: 50 });
    assert_eq!(
        (request.page(), request.count, request.deleted),
        (Some(3), false, Deleted::Include)
    );
    assert_eq!(request.expand.unwrap(), ["owner", "tags"]);

    let request = list("cursor=&limit=200").unwrap();
    assert_eq!(request.window, Window::Cursor { after: None, limit: 200 });
    assert_eq!((request.page(), request.count), (None, false));
    assert!(list("cursor=&count=exact").unwrap().count);
    assert_eq!(list("includeDeleted=only").unwrap().deleted, Deleted::Only);
    assert_eq!(list("search= Acme  GmbH ").unwrap().search.as_deref(), Some("Acme  GmbH"));

    let order = |query: &str| -> Vec<(String, bool)> {
        let sorts = list(query).unwrap().sort;
        sorts.iter().map(|sort| (sort.path.name(&DEALS), sort.descending)).collect()
    };
    let by = |keys: &[(&str, bool)]| -> Vec<(String, bool)> {
        keys.iter().map(|(name, down)| ((*name).to_owned(), *down)).collect()
    };
    assert_eq!(order("sort=-createdAt,name"), by(&[("createdAt", true), ("name", false)]));
    assert_eq!(order("ordering=-created_at"), by(&[("createdAt", true)]));
    assert_eq!(order("sort=name&order=desc"), by(&[("name", true)]));
    assert_eq!(order("sort=-customFields.seats,"), by(&[("customFields.seats", true)]));
    assert_eq!(order("sort=name,-name"), by(&[("name", false)]));
}

#[test]
fn a_cursor_of_a_list_is_read_back_and_one_of_another_order_is_refused() {
    let query = Query::new(Arc::clone(&DEALS)).sort(list("sort=name").unwrap().sort).unwrap();
    let cursor = Cursor::behind(&query, ROWS[0].record()).encode();
    let request = list(&format!("sort=name&cursor={cursor}")).unwrap();
    assert!(request.into_query(Arc::clone(&DEALS)).is_ok());
    let other = list(&format!("sort=-createdAt,value&cursor={cursor}")).unwrap();
    assert_eq!(unreadable(other.into_query(Arc::clone(&DEALS))).code, "INVALID_CURSOR");
}

#[test]
fn every_described_parameter_is_taken_with_its_example_and_suffixes() {
    let described = describe(&DEALS);
    for parameter in &described {
        let name = parameter.name.replace("{key}", "region");
        let example = match parameter.name.as_str() {
            "order" => "desc&sort=name".to_owned(),
            _ => parameter.example.clone(),
        };
        let kept = list(&format!("{name}={example}"));
        assert!(kept.is_ok(), "{name}={example}: {kept:?}");
        for suffix in &parameter.suffixes {
            let value = if *suffix == "null" { "true" } else { &example };
            let kept = list(&format!("{name}[{suffix}]={value}"));
            assert!(kept.is_ok(), "{name}[{suffix}]={value}: {kept:?}");
        }
    }
    let named = |name: &str| described.iter().find(|parameter| parameter.name == name);
    assert_eq!(named("status").unwrap().choices.unwrap().len(), 4);
    assert!(named("memo").is_none());
    assert!(named("tokenHash").is_none());
    assert!(named("search").is_some());
    assert_eq!(named("order").unwrap().kind, Kind::Code);
    assert_eq!(named("order[eq]").unwrap().kind, Kind::Int);
    for control in list::CONTROLS {
        let old = ["page_size", "ordering"].contains(control);
        assert!(old || named(control).is_some(), "{control}");
    }
}

#[test]
fn customers_are_filtered_by_what_people_write() {
    use crate::Entity;
    use crate::customers::Customer;

    let filter = |name: &str, value: &str| {
        let params = [(name.to_owned(), value.to_owned())];
        parse_list(Customer::schema(), &NoCustom, &params, &[]).unwrap().filter
    };
    for (name, written, stored) in [
        ("country", "Germany", "DE"),
        ("currency", "eur", "EUR"),
        ("phone", "+49 30 901820", "+4930901820"),
        ("website", "acme.example", "https://acme.example"),
        ("status", "Active", "active"),
    ] {
        let path = Path::field(Customer::schema().index_of(name).unwrap());
        let meant = checked(Filter::eq(path, stored), Customer::schema(), "").unwrap();
        assert_eq!(filter(name, written), meant, "{name}");
    }
}
