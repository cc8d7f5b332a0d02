//! What people do by a link in a mail, as a browser and a mailbox see it.

use crm_core::access::BuiltIn;
use crm_server::config::{Config, MailTls};
use serde_json::json;

use crate::support::{Backend, Letter, MailServer, PASSWORD, Person, TestServer};

const AUTH: &str = "/api/v1/auth";

/// What letters of a kind have in their subjects.
const VERIFY: &str = "Confirm your e-mail address";
const RESET: &str = "Set a new password";
const INVITED: &str = "You are invited";

/// The letters of a kind to an address, once there are so many.
async fn letters(post: &MailServer, address: &str, kind: &str, count: usize) -> Vec<Letter> {
    for wanted in count.. {
        let all = post.letters_to(address, wanted).await;
        let these: Vec<_> = all.into_iter().filter(|one| one.subject().contains(kind)).collect();
        if these.len() >= count {
            return these;
        }
    }
    panic!("no such letter came")
}

/// The token of the link in the newest of so many letters of a kind to an address.
async fn token(post: &MailServer, address: &str, kind: &str, count: usize) -> String {
    let letter = letters(post, address, kind, count).await.remove(count - 1);
    let (text, html) = (letter.text(), letter.html());
    let link = text.lines().find(|line| line.contains("?token=")).unwrap().trim();
    assert!(link.starts_with("https://crm.example.com/app/"), "{link}");
    let token = link.split_once("?token=").unwrap().1.to_owned();
    assert!(html.contains(&token), "{html}");
    token
}

async fn with_mail(test: impl AsyncFn(&TestServer, &MailServer)) {
    for backend in [Backend::Memory, Backend::Postgres] {
        let post = MailServer::start(MailTls::Implicit).await;
        let settings = post.settings();
        let change = |config: &mut Config| config.mail = settings;
        let server = TestServer::configured_on(backend, change).await;
        test(&server, &post).await;
        server.stop().await;
    }
}

async fn verified(server: &TestServer, post: &MailServer, person: &Person) {
    let token = token(post, &person.email, VERIFY, 1).await;
    let anybody = server.anonymous();
    let user = anybody.post(&format!("{AUTH}/verify-email"), json!({"token": token})).await;
    assert_eq!(user.is(200)["data"]["emailVerified"], true);
}

#[tokio::test]
async fn an_address_is_verified_and_a_forgotten_password_set_anew() {
    with_mail(async |server, post| {
        let ada = server.owner("acme").await;
        let profile = format!("{AUTH}/profile");
        assert_eq!(ada.get(&profile).await.data()["user"]["emailVerified"], false);
        // Two that are on their way at once may come in either order.
        token(post, &ada.email, VERIFY, 1).await;
        ada.post(&format!("{AUTH}/verify-email/resend"), json!({})).await.is(202);
        let second = token(post, &ada.email, VERIFY, 2).await;
        let anybody = server.anonymous();
        let verify = format!("{AUTH}/verify-email");
        anybody.post(&verify, json!({"token": second})).await.is(200);
        anybody.post(&verify, json!({"token": second})).await.fails(422, "INVALID_TOKEN");
        assert_eq!(ada.get(&profile).await.data()["user"]["emailVerified"], true);

        let forgot = format!("{AUTH}/forgot-password");
        let known = anybody.post(&forgot, json!({"email": ada.email})).await.is(202);
        let unknown = anybody.post(&forgot, json!({"email": "nobody@acme.example"})).await.is(202);
        assert_eq!(known, unknown);
        anybody.post(&forgot, json!({"email": "nobody"})).await.fails(422, "INVALID_EMAIL");
        let reset = token(post, &ada.email, RESET, 1).await;
        let path = format!("{AUTH}/reset-password");
        let new = "a much better one";
        let short = json!({"token": reset, "password": "short"});
        anybody.post(&path, short).await.fails(422, "TOO_SHORT");
        anybody.post(&path, json!({"token": reset, "password": new})).await.is(200);
        let again = json!({"token": reset, "password": new});
        anybody.post(&path, again).await.fails(422, "INVALID_TOKEN");
        ada.get(&profile).await.is(401);
        let old = json!({"email": ada.email, "password": PASSWORD});
        anybody.post(&format!("{AUTH}/login"), old).await.is(401);
        let login = json!({"email": ada.email, "password": new});
        anybody.post(&format!("{AUTH}/login"), login).await.is(200);
        // The notice brings no link of its own.
        let told = letters(post, &ada.email, "password was changed", 1).await;
        assert!(!told[0].text().contains("token="));
        assert!(post.letters_to("nobody@acme.example", 0).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn links_lead_to_the_front_end_whatever_host_a_request_names() {
    with_mail(async |server, post| {
        let input = json!({"email": "ada@example.com", "password": PASSWORD});
        let anybody = server.anonymous();
        let asked = anybody.with("X-Forwarded-Host", "evil.example");
        asked.post(&format!("{AUTH}/signup"), input).await.is(201);
        let letter = &post.letters_to("ada@example.com", 1).await[0];
        assert!(!letter.text().contains("evil") && !letter.html().contains("evil"));
    })
    .await;
}

#[tokio::test]
async fn somebody_is_invited_and_accepts() {
    with_mail(async |server, post| {
        let ada = server.owner("acme").await;
        let admin = server.colleague(&ada, BuiltIn::Admin).await;
        let list = "/api/v1/users/invitations";
        let bob = json!({"email": "bob@example.com", "roles": ["user"], "name": "Bob"});
        let made = admin.post(list, bob.clone()).await.is(201)["data"].clone();
        assert_eq!((&made["sent"], &made["invitedBy"]), (&json!(1), &json!(admin.user)));
        let above = json!({"email": "eve@example.com", "roles": ["owner"]});
        admin.post(list, above).await.fails(403, "FORBIDDEN");
        // Whether somebody signs in elsewhere by an address is not told.
        let stranger = server.owner("elsewhere").await;
        let mut alike = Vec::new();
        for email in [stranger.email.as_str(), "nobody@elsewhere.example"] {
            let asked = json!({"email": email, "roles": ["user"]});
            let mut answer = admin.post(list, asked).await.is(201)["data"].clone();
            ada.delete(&format!("{list}/{}", answer["id"].as_str().unwrap())).await.is(200);
            answer["id"].take();
            answer["email"].take();
            alike.push(answer);
        }
        assert_eq!(alike[0], alike[1]);
        let member = json!({"email": ada.email, "roles": ["user"]});
        admin.post(list, member).await.fails(409, "DUPLICATE");
        assert_eq!(ada.get(list).await.is(200)["meta"]["total"], 1);
        let one = format!("{list}/{}", made["id"].as_str().unwrap());
        ada.get(&one).await.is(200);
        token(post, "bob@example.com", INVITED, 1).await;
        ada.post(&format!("{one}/resend"), json!({})).await.is(200);
        let invitation = token(post, "bob@example.com", INVITED, 2).await;
        let accept = format!("{AUTH}/accept-invitation");
        let anybody = server.anonymous();
        let input = json!({"token": invitation, "password": PASSWORD, "name": "Robert"});
        let session = anybody.post(&accept, input.clone()).await.is(200)["data"].clone();
        assert_eq!(session["tenant"]["id"], ada.tenant);
        assert_eq!(session["user"]["emailVerified"], true);
        assert_eq!(
            (&session["user"]["name"], &session["roles"]),
            (&json!("Robert"), &json!(["user"]))
        );
        anybody.post(&accept, input).await.fails(422, "INVALID_TOKEN");
        assert_eq!(ada.get(list).await.is(200)["meta"]["total"], 0);
        let stays = ada.post(list, json!({"email": "x@example.com", "roles": ["user"]})).await;
        let one = format!("{list}/{}", stays.is(201)["data"]["id"].as_str().unwrap());
        ada.delete(&one).await.is(200);
        ada.get(&one).await.fails(404, "NOT_FOUND");
        let gone =
            json!({"token": token(post, "x@example.com", INVITED, 1).await, "password": PASSWORD});
        anybody.post(&accept, gone).await.fails(422, "INVALID_TOKEN");
    })
    .await;
}

#[tokio::test]
async fn whoever_is_added_says_yes_before_they_are_in() {
    with_mail(async |server, post| {
        let ada = server.owner("acme").await;
        let bob = server.owner("bobs").await;
        let members = format!("/api/v1/tenants/{}/members", ada.tenant);
        let asked = json!({"email": bob.email, "roles": ["admin"]});
        let member = ada.post(&members, asked).await.is(201)["data"].clone();
        assert_eq!(member["status"], "invited");
        let switch = format!("{AUTH}/switch-tenant");
        let there = json!({"tenantId": ada.tenant});
        bob.post(&switch, there.clone()).await.fails(403, "NOT_A_MEMBER");
        let again = server.sign_in(&bob.email).await;
        assert_eq!(again.tenant, bob.tenant, "never theirs unasked");
        let offers = |profile: serde_json::Value| profile["invitations"].clone();
        let profile = format!("{AUTH}/profile");
        assert_eq!(offers(bob.get(&profile).await.data()), json!([]), "whose is the address?");
        let accept = format!("{AUTH}/accept-invitation");
        bob.post(&accept, there.clone()).await.fails(403, "EMAIL_NOT_VERIFIED");
        verified(server, post, &bob).await;
        let offer = offers(bob.get(&profile).await.data())[0].clone();
        assert_eq!(
            (&offer["tenantId"], &offer["tenantName"]),
            (&json!(ada.tenant), &json!("acme"))
        );
        server.anonymous().post(&accept, there.clone()).await.is(401);
        let session = bob.post(&accept, there.clone()).await.is(200)["data"].clone();
        assert_eq!(
            (&session["tenant"]["id"], &session["roles"]),
            (&json!(ada.tenant), &json!(["admin"]))
        );
        bob.post(&switch, there).await.is(200);
        let path = format!("/api/v1/users/{}/status", bob.user);
        ada.patch(&path, json!({"status": "invited"})).await.fails(422, "NOT_ACCEPTED");
    })
    .await;
}

#[tokio::test]
async fn what_takes_a_mail_is_refused_where_none_are_sent_and_the_rest_works() {
    let server = TestServer::start(Backend::Memory).await;
    let ada = server.owner("acme").await;
    let forgot = json!({"email": ada.email});
    let anybody = server.anonymous();
    anybody.post(&format!("{AUTH}/forgot-password"), forgot).await.fails(403, "NO_MAIL");
    let invited = json!({"email": "x@example.com", "roles": ["user"]});
    ada.post("/api/v1/users/invitations", invited).await.fails(403, "NO_MAIL");
    ada.get("/demo/mails").await.is(404);
    // Nobody can show whose an address is: whoever signs in says yes.
    let bob = server.owner("bobs").await;
    let members = format!("/api/v1/tenants/{}/members", ada.tenant);
    ada.post(&members, json!({"email": bob.email, "roles": ["user"]})).await.is(201);
    let there = json!({"tenantId": ada.tenant});
    bob.post(&format!("{AUTH}/accept-invitation"), there.clone()).await.is(200);
    bob.post(&format!("{AUTH}/switch-tenant"), there).await.is(200);
    let eve = server.owner("eves").await;
    ada.post(&members, json!({"email": eve.email, "roles": ["user"]})).await.is(201);
    let no = json!({"tenantId": ada.tenant});
    eve.post(&format!("{AUTH}/decline-invitation"), no).await.is(200);
    assert_eq!(ada.get(&members).await.is(200)["meta"]["total"], 2);
    server.stop().await;
}

#[tokio::test]
async fn the_demonstration_shows_the_mails_that_it_would_send() {
    let server = TestServer::of_the_demo().await;
    let ada = server.owner("acme").await;
    let mut mails = json!([]);
    for _ in 0..600 {
        mails = server.anonymous().get("/demo/mails").await.is(200)["data"].clone();
        if mails != json!([]) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let mail = &mails[0];
    assert_eq!((&mail["to"], mails.as_array().unwrap().len()), (&json!(ada.email), 1));
    let text = mail["text"].as_str().unwrap();
    let token = text.lines().find_map(|line| line.split_once("?token=")).unwrap().1;
    let verify = json!({"token": token.trim()});
    server.anonymous().post(&format!("{AUTH}/verify-email"), verify).await.is(200);
    server.stop().await;
}

#[tokio::test]
async fn another_address_is_confirmed_at_the_new_one_and_stopped_at_the_old_one() {
    with_mail(async |server, post| {
        let ada = server.owner("acme").await;
        verified(server, post, &ada).await;
        let (new, path) = ("ada@elsewhere.example", format!("{AUTH}/change-email"));
        let asked = |password: &str| json!({"email": new, "password": password});
        ada.post(&path, asked("wrong horse")).await.fails(422, "WRONG_PASSWORD");
        let same = json!({"email": ada.email, "password": PASSWORD});
        ada.post(&path, same).await.fails(422, "SAME_EMAIL");
        let all = json!({"name": "All", "scopes": ["*"]});
        let key = ada.post(&format!("{AUTH}/api-keys"), all).await.data();
        let key = server.anonymous().with("x-api-key", key["key"].as_str().unwrap());
        key.post(&path, asked(PASSWORD)).await.fails(403, "NOT_BY_KEY");
        key.delete(&path).await.fails(403, "NOT_BY_KEY");

        ada.post(&path, asked(PASSWORD)).await.is(202);
        let profile = format!("{AUTH}/profile");
        let user = ada.get(&profile).await.data()["user"].clone();
        assert_eq!((&user["email"], &user["pendingEmail"]), (&json!(ada.email), &json!(new)));
        let stop = token(post, &ada.email, "Another e-mail address was asked for", 1).await;
        let first = token(post, new, "Confirm your new e-mail address", 1).await;
        ada.delete(&path).await.is(200);
        let anybody = server.anonymous();
        let confirm = format!("{path}/confirm");
        anybody.post(&confirm, json!({"token": first})).await.fails(422, "INVALID_TOKEN");

        ada.post(&path, asked(PASSWORD)).await.is(202);
        let second = token(post, new, "Confirm your new e-mail address", 2).await;
        let changed = anybody.post(&confirm, json!({"token": second})).await.data();
        assert_eq!((&changed["email"], &changed["pendingEmail"]), (&json!(new), &json!(null)));
        let member = ada.get(&format!("/api/v1/users/{}", ada.user)).await.data();
        assert_eq!(member["email"], new);
        let old = json!({"email": ada.email, "password": PASSWORD});
        anybody.post(&format!("{AUTH}/login"), old.clone()).await.is(401);
        letters(post, &ada.email, "Your e-mail address was changed", 1).await;

        // Only the newest of the links at the old address holds.
        let path = format!("{path}/stop");
        anybody.post(&path, json!({"token": stop})).await.fails(422, "INVALID_TOKEN");
        let stop = token(post, &ada.email, "Another e-mail address was asked for", 2).await;
        anybody.post(&path, json!({"token": stop})).await.is(200);
        ada.get(&profile).await.is(401);
        anybody.post(&format!("{AUTH}/login"), old).await.is(200);
    })
    .await;
}

#[tokio::test]
async fn an_admin_who_starts_a_new_password_is_in_the_log() {
    for backend in [Backend::Memory, Backend::Postgres] {
        let (server, watched) = TestServer::watched_writing(backend).await;
        let owner = server.owner("acme").await;
        let user = server.colleague(&owner, BuiltIn::User).await;
        watched.audited();
        owner.post(&format!("/api/v1/users/{}/reset-password", user.user), json!({})).await.is(202);
        let told = watched.audited();
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!((&*told[0].resource, &*told[0].action), ("members", "updated"));
        assert_eq!(told[0].record.to_string(), user.user);
        assert_eq!(told[0].changes, json!({"passwordReset": {"to": "sent"}}));
        server.stop().await;
    }
}
