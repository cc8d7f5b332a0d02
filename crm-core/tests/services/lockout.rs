//! Guessing passwords, on both stores: a guesser waits, and the owner does not.

use chrono::TimeDelta;
use crm_core::access::Origin;
use crm_core::auth::{Lockout, SignIn};
use crm_core::tenants::Purged;
use crm_core::{Crm, Error, ManualClock};

use crate::auth::{Plain, Set, ada, on_both, sign_in};

const HOME: &str = "203.0.113.7";
const ELSEWHERE: &str = "198.51.100.4";

fn from(address: &str, login: &str, password: &str) -> SignIn {
    let origin = Origin { address: Some(address.to_owned()), ..Origin::default() };
    SignIn { origin, ..sign_in(login, password) }
}

/// What a try comes to: 0 where it is let in, 401, or how many seconds to wait.
async fn tried(crm: &Crm, request: SignIn) -> u64 {
    match crm.auth().sign_in(request).await {
        Ok(_) => 0,
        Err(Error::Unauthenticated(_)) => 401,
        Err(Error::TooManyAttempts { retry_after }) => retry_after.as_secs(),
        Err(other) => panic!("{other}"),
    }
}

async fn tries(crm: &Crm, times: usize, request: impl Fn() -> SignIn) -> Vec<u64> {
    let mut all = Vec::new();
    for _ in 0..times {
        all.push(tried(crm, request()).await);
    }
    all
}

#[tokio::test]
async fn each_failure_too_many_doubles_the_wait_for_known_and_unknown_alike() {
    on_both(async |Set { crm, clock, .. }| {
        crm.auth().sign_up(ada()).await.unwrap();
        for (login, address) in [("ada", "192.0.2.1"), ("nobody", "192.0.2.2")] {
            let wrong = || from(address, login, "wrong horse");
            assert_eq!(tries(&crm, 6, wrong).await, [401, 401, 401, 401, 401, 1], "{login}");
            for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
                assert_eq!(tried(&crm, wrong()).await, wait, "{login}");
                clock.advance(TimeDelta::seconds(wait as i64) - TimeDelta::milliseconds(1));
                assert_eq!(tried(&crm, wrong()).await, 1, "{login}: not yet");
                clock.advance(TimeDelta::milliseconds(1));
                assert_eq!(tried(&crm, wrong()).await, 401, "{login}");
            }
            // Waiting does not count: whoever tried in vain waits no longer for it.
            assert_eq!(tries(&crm, 3, wrong).await, [900, 900, 900]);
        }
    })
    .await;
}

#[tokio::test]
async fn the_right_password_waits_too_unless_it_comes_from_where_its_owner_was_before() {
    on_both(async |Set { crm, clock, .. }| {
        crm.auth().sign_up(ada()).await.unwrap();
        assert_eq!(tried(&crm, from(HOME, "ada", "correct horse")).await, 0);
        let guesses = tries(&crm, 7, || from(ELSEWHERE, "ada", "wrong horse")).await;
        assert_eq!(guesses, [401, 401, 401, 401, 401, 1, 1]);
        assert_eq!(tried(&crm, from(ELSEWHERE, "ada", "correct horse")).await, 1);
        assert_eq!(tried(&crm, from("192.0.2.9", "ada", "correct horse")).await, 1, "anywhere");
        assert_eq!(tried(&crm, from(HOME, "Ada@Example.com", "correct horse")).await, 0);
        // Who is at home may mistype as often, and is slowed by nobody's mistakes but their own.
        let typed = tries(&crm, 6, || from(HOME, "ada", "wrong horse")).await;
        assert_eq!(typed, [401, 401, 401, 401, 401, 1]);
        clock.advance(TimeDelta::seconds(1));
        assert_eq!(tried(&crm, from(HOME, "ada", "correct horse")).await, 0);
        let typed = tries(&crm, 6, || from(HOME, "ada", "wrong horse")).await;
        assert_eq!(typed, [401, 401, 401, 401, 401, 1], "forgotten once they were let in");
    })
    .await;
}

#[tokio::test]
async fn whoever_tries_many_accounts_from_one_network_waits() {
    on_both(async |Set { crm, clock, .. }| {
        crm.auth().sign_up(ada()).await.unwrap();
        assert_eq!(tried(&crm, from(HOME, "ada", "correct horse")).await, 0);
        for i in 0..50 {
            // Of one customer's network, whatever the last half.
            let address = format!("2001:db8:1:2::{i:x}");
            assert_eq!(tried(&crm, from(&address, &format!("u{i}"), "wrong horse")).await, 401);
        }
        assert_eq!(tried(&crm, from("2001:db8:1:2::ffff", "ada", "wrong horse")).await, 1);
        assert_eq!(tried(&crm, from("2001:db8:1:3::1", "ada", "wrong horse")).await, 401);
        // An account of one's own does not wash the network clean.
        clock.advance(TimeDelta::seconds(1));
        assert_eq!(tried(&crm, from("2001:db8:1:2::1", "ada", "correct horse")).await, 0);
        assert_eq!(tried(&crm, from("2001:db8:1:2::1", "u1", "wrong horse")).await, 401);
        assert_eq!(tried(&crm, from("2001:db8:1:2::1", "u2", "wrong horse")).await, 2);
    })
    .await;
}

#[tokio::test]
async fn failures_are_forgotten_after_a_day_without_any() {
    on_both(async |Set { crm, clock, .. }| {
        crm.auth().sign_up(ada()).await.unwrap();
        tries(&crm, 5, || from(ELSEWHERE, "ada", "wrong horse")).await;
        clock.advance(TimeDelta::hours(25));
        let again = tries(&crm, 6, || from(ELSEWHERE, "ada", "wrong horse")).await;
        assert_eq!(again, [401, 401, 401, 401, 401, 1]);
        clock.advance(TimeDelta::hours(23));
        let kept = crm.system().purge().await.unwrap();
        assert_eq!(kept.failed_sign_ins, 0);
        clock.advance(TimeDelta::hours(2));
        let purged = crm.system().purge().await.unwrap();
        assert_eq!(purged, Purged { failed_sign_ins: 2, ..purged });
    })
    .await;
}

/// Of many guesses at once no more are looked at than one after the other: the right one among
/// them is not let in behind the wrong ones.
#[tokio::test]
async fn guesses_at_once_are_counted_each() {
    on_both(async |Set { crm, .. }| {
        crm.auth().sign_up(ada()).await.unwrap();
        let guess = |_| {
            let auth = crm.auth();
            tokio::spawn(async move { auth.sign_in(from(ELSEWHERE, "ada", "wrong horse")).await })
        };
        let tasks: Vec<_> = (0..16).map(guess).collect();
        for task in tasks {
            task.await.unwrap().unwrap_err();
        }
        let wait = tried(&crm, from(ELSEWHERE, "ada", "correct horse")).await;
        assert!((1..=900).contains(&wait), "{wait}");
    })
    .await;
}

#[tokio::test]
async fn how_much_is_put_up_with_can_be_said() {
    let clock = std::sync::Arc::new(ManualClock::at(crate::support::start()));
    let lockout = Lockout { attempts: 2, attempts_per_network: 3, longest: TimeDelta::seconds(3) };
    let builder = Crm::builder(crm_store_memory::MemoryStore::new()).shared_clock(clock.clone());
    let crm = builder.users(Plain).lockout(lockout).build().await.unwrap();
    let wrong = |login: &'static str| from(ELSEWHERE, login, "wrong horse");
    assert_eq!(tries(&crm, 3, || wrong("a")).await, [401, 401, 1]);
    assert_eq!(tries(&crm, 2, || wrong("b")).await, [401, 1], "the network's third");
    for wait in [1, 2, 3, 3] {
        clock.advance(TimeDelta::seconds(wait));
        assert_eq!(tried(&crm, wrong("a")).await, 401);
    }
}

#[tokio::test]
async fn who_signs_in_without_failing_leaves_nothing_behind() {
    on_both(async |Set { crm, clock, .. }| {
        crm.auth().sign_up(ada()).await.unwrap();
        for _ in 0..10 {
            assert_eq!(tried(&crm, from(HOME, "ada", "correct horse")).await, 0);
        }
        clock.advance(TimeDelta::days(2));
        assert_eq!(crm.system().purge().await.unwrap().failed_sign_ins, 0);
    })
    .await;
}
