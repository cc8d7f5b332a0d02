//! How many round trips a request takes, counted where it counts: between the driver and the
//! server, in messages that the server has to answer.

use std::sync::atomic::{AtomicUsize, Ordering};

use crm_core::store::{Filter, Kind, Path, Sort};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use url::Url;

use super::*;

/// Stands between the driver and the server.
struct Wire {
    url: String,
    trips: Arc<AtomicUsize>,
    directory: std::path::PathBuf,
}

impl Wire {
    fn before(server: &str) -> Self {
        let mut url: Url = server.parse().unwrap();
        let host =
            |url: &Url| url.query_pairs().find(|(k, _)| k == "host").map(|(_, v)| v.into_owned());
        let socket = format!("{}/.s.PGSQL.{}", host(&url).unwrap(), url.port().unwrap_or(5432));
        let directory = std::env::temp_dir().join(format!("crm-wire-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let here = directory.join(".s.PGSQL.5432");
        let _ = std::fs::remove_file(&here);
        let listener = UnixListener::bind(&here).unwrap();
        let trips = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&trips);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = UnixStream::connect(&socket).await.unwrap();
                tokio::spawn(carry(client, server, Arc::clone(&counter)));
            }
        });
        url.set_port(Some(5432)).unwrap();
        url.query_pairs_mut().clear().append_pair("host", &directory.to_string_lossy());
        Self { url: url.into(), trips, directory }
    }

    fn trips(&self) -> usize {
        self.trips.swap(0, Ordering::SeqCst)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

async fn carry(client: UnixStream, server: UnixStream, trips: Arc<AtomicUsize>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    let mut starting = true;
    let mut is_asking = false;
    loop {
        // The first message has no type.
        let mut head = Vec::new();
        if !starting {
            head.push(match from_client.read_u8().await {
                Ok(kind) => kind,
                Err(_) => return,
            });
        }
        let Ok(length) = from_client.read_u32().await else { return };
        let mut body = vec![0; length as usize - 4];
        if from_client.read_exact(&mut body).await.is_err() {
            return;
        }
        // Sync and Query are what the server answers with "ready". A Sync by itself is the pool
        // looking after a connection that it got back, for which nobody waits.
        match head.first() {
            Some(b'Q') => {
                trips.fetch_add(1, Ordering::SeqCst);
            }
            Some(b'S') if is_asking => {
                trips.fetch_add(1, Ordering::SeqCst);
                is_asking = false;
            }
            Some(b'S') | None => {}
            Some(_) => is_asking = true,
        }
        // Nor has the one before it, which asks for encryption.
        starting = starting && body == 80_877_103_u32.to_be_bytes();
        head.extend_from_slice(&length.to_be_bytes());
        head.extend_from_slice(&body);
        if to_server.write_all(&head).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_read_is_one_trip_and_a_commit_is_one_trip() {
    let catalogue = examples();
    let database = TestDatabase::with(&create_tables_sql(&catalogue)).await.unwrap();
    let wire = Wire::before(&database.app_url());
    let mut options = PostgresOptions::new(wire.url.clone());
    options.max_connections = 2;
    let store = PostgresStore::connect(&options).await.unwrap();
    store.prepare(&catalogue).await.unwrap();
    let world = World { store: Arc::new(store), catalogue, database };

    let firms = Arc::clone(world.schema("firms"));
    let (id, name) = (Path::field(0), Path::field(world.field("firms", "name")));
    let get = Query::new(Arc::clone(&firms)).filter(Filter::eq(id, Uuid::from_u128(1))).unwrap();
    let list = Query::new(Arc::clone(&firms)).counted();
    let filtered = list.clone().filter(Filter::eq(name, "one")).unwrap();
    let search = list.clone().filter(Filter::search("firm")).unwrap();
    for (what, query) in [("get", get), ("list", list), ("filtered", filtered), ("search", search)]
    {
        // A connection prepares a statement when it first sees it.
        world.store.answer(SCOPE, &query).await.unwrap();
        wire.trips();
        world.store.answer(SCOPE, &query).await.unwrap();
        assert_eq!(wire.trips(), 1, "{what}");
    }

    // As a service writes: a record, what was done, what happened, and a number.
    let create = |id: u128| {
        vec![
            world.insert("firms", world.firm(id, "Firm")),
            world.insert("articles", world.article(id, id, &[])),
            Operation::Increment { counter: "n".into(), by: 1 },
        ]
    };
    world.commit(create(1)).await.unwrap();
    wire.trips();
    world.commit(create(2)).await.unwrap();
    assert_eq!(wire.trips(), 1, "create");

    let change = |before: &Record| vec![changed(&firms, before, "name", "New".into())];
    world.commit(change(&world.firm(1, "Firm"))).await.unwrap();
    wire.trips();
    world.commit(change(&world.firm(2, "Firm"))).await.unwrap();
    assert_eq!(wire.trips(), 1, "change");

    let own = |id: u128| {
        let fields = [("seats".to_owned(), 5.into()), ("region".to_owned(), "EMEA".into())];
        world.article(id, 1, &[("customFields", Value::Custom(fields.into()))])
    };
    let articles = Arc::clone(world.schema("articles"));
    let clear = |before: &Record| {
        vec![changed(&articles, before, "customFields", Value::Custom(Default::default()))]
    };
    for id in [3, 4] {
        wire.trips();
        world.commit(vec![world.insert("articles", own(id))]).await.unwrap();
        if id == 4 {
            assert_eq!(wire.trips(), 1, "create with fields of the tenant's own");
        }
        world.commit(clear(&own(id))).await.unwrap();
        if id == 4 {
            assert_eq!(wire.trips(), 1, "clear them");
        }
    }
    let seats = Path::custom(world.field("articles", "customFields"), "seats", Kind::Int);
    let few = Query::new(Arc::clone(&articles)).filter(Filter::eq(seats.clone(), 5)).unwrap();
    let sorted = Query::new(articles).sort(vec![Sort::ascending(seats)]).unwrap();
    for query in [few.counted(), sorted.counted()] {
        world.store.answer(SCOPE, &query).await.unwrap();
        wire.trips();
        world.store.answer(SCOPE, &query).await.unwrap();
        assert_eq!(wire.trips(), 1, "by a field of the tenant's own");
    }

    let many = |ids: std::ops::Range<u128>| {
        ids.map(|id| world.insert("firms", world.firm(id, "Firm"))).collect::<Vec<_>>()
    };
    world.commit(many(10..12)).await.unwrap();
    wire.trips();
    world.commit(many(20..520)).await.unwrap();
    assert_eq!(wire.trips(), 1, "five hundred at once");
}
