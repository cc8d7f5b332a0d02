//! Writers of values and whoever changes their definition, at once: neither keeps the other from
//! coming through, and no value is stored that the definition of its moment does not allow.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crm_core::access::{Actor, BuiltIn};
use crm_core::custom_fields::{CustomFieldDraft, CustomFieldPatch, CustomFields, CustomType};
use crm_core::customers::{Customer, CustomerDraft};
use crm_core::store::Value;
use crm_core::users::UserId;
use crm_core::{Crm, Error, Find};

const WRITERS: usize = 8;
const CHANGES: usize = 12;

#[expect(clippy::print_stdout, reason = "how long it took is for people to look at")]
async fn at_once(crm: Crm) {
    let tenant = crm.system().create_tenant("Acme").await.unwrap();
    let user = UserId::new(crm.random().uuid(crm.clock().now()));
    let acme = crm.tenant(Actor::new(tenant.id, user).with_role(BuiltIn::Owner));
    let plan = CustomFieldDraft {
        record_type: "customers".into(),
        key: "plan".into(),
        label: "Plan".into(),
        field_type: CustomType::Choice,
        options: vec!["gold".into(), "silver".into()],
        ..CustomFieldDraft::default()
    };
    let plan = acme.custom_fields().create(plan).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (acme, stop) = (acme.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let (mut written, mut refused) = (0_u32, 0_u32);
                while !stop.load(Ordering::Relaxed) {
                    for option in ["gold", "silver"] {
                        let custom_fields = CustomFields::from([("plan", option.into())]);
                        let draft =
                            CustomerDraft { custom_fields, ..CustomerDraft::company("Acme") };
                        // A store in memory never waits.
                        tokio::task::yield_now().await;
                        match acme.customers().create(draft).await {
                            Ok(_) => written += 1,
                            Err(Error::Invalid(_)) => refused += 1,
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
                (written, refused)
            })
        })
        .collect();
    let mut longest = Duration::ZERO;
    for i in 0..CHANGES {
        tokio::time::sleep(Duration::from_millis(30)).await;
        let begun = Instant::now();
        let label = Some(format!("Plan {i}"));
        let patch = CustomFieldPatch { label, ..CustomFieldPatch::default() };
        acme.custom_fields().patch(plan.id, None, patch).await.unwrap();
        longest = longest.max(begun.elapsed());
    }
    let (from, to) = ("silver", "tin");
    let mut field = acme.custom_fields().rename_option(plan.id, None, from, to).await.unwrap();
    while field.work.is_some() {
        field = acme.custom_fields().proceed(plan.id).await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    let mut all = (0, 0);
    for writer in writers {
        let (written, refused) = writer.await.unwrap();
        all = (all.0 + written, all.1 + refused);
    }
    println!("{CHANGES} changes among {all:?} written and refused, the longest {longest:?}");
    assert!(all.0 > 0 && longest < Duration::from_secs(20), "{all:?}, {longest:?}");
    let key = Customer::CUSTOM_FIELDS.key("plan", CustomType::Choice);
    let left = Find::from(key.any_of([Value::from("silver")])).counted();
    let left = acme.customers().find(left).await.unwrap();
    assert_eq!(left.total, Some(0), "none was missed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_definition_changes_while_many_write_in_memory() {
    at_once(crate::support::in_memory().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_definition_changes_while_many_write_on_postgres() {
    let (crm, _database) = crate::support::on_postgres().await;
    at_once(crm).await;
}
