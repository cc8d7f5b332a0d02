//! Tokens, headers and paths that were made up: none of them opens anything.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crm_core::access::BuiltIn;
use hyper::Method;
use serde_json::{Value, json};

use crate::support::{PASSWORD, TestServer, for_each_store};

const CUSTOMERS: &str = "/api/v1/customers";
const PROFILE: &str = "/api/v1/auth/profile";

fn decoded(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn encoded(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}

fn with(mut object: Value, key: &str, value: Value) -> Value {
    object[key] = value;
    object
}

for_each_store! {
    async fn a_token_that_was_tampered_with_opens_nothing(server: &TestServer) {
        let (acme, other) = (server.owner("acme").await, server.owner("other").await);
        acme.get(PROFILE).await.is(200);
        let parts: Vec<&str> = acme.token().split('.').collect();
        let (header, claims, signature) = (decoded(parts[0]), decoded(parts[1]), parts[2]);
        let jwks = server.anonymous().get("/.well-known/jwks.json").await;
        let key = jwks.json()["keys"][0].clone();
        assert!(key.get("d").is_none(), "only public halves are published");

        let signed = |header: &Value, claims: &Value, secret: &[u8]| {
            let text = format!("{}.{}", encoded(header), encoded(claims));
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), text.as_bytes());
            format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
        };
        let unsigned = |header: &Value, claims: &Value, signature: &str| {
            format!("{}.{}.{signature}", encoded(header), encoded(claims))
        };
        let mut forged = Vec::new();
        for alg in ["none", "None", "NONE", "nOnE", ""] {
            let header = with(header.clone(), "alg", json!(alg));
            forged.push(unsigned(&header, &claims, ""));
            forged.push(unsigned(&header, &claims, signature));
        }
        let shared = with(header.clone(), "alg", json!("HS256"));
        let public = URL_SAFE_NO_PAD.decode(key["x"].as_str().unwrap()).unwrap();
        let secrets = [public, key["x"].as_str().unwrap().into(), jwks.bytes.to_vec(), Vec::new()];
        for secret in &secrets {
            forged.push(signed(&shared, &claims, secret));
        }
        for kid in [json!(""), json!("../../../../dev/null"), json!("' OR '1'='1"), json!(0), Value::Null,
                    json!("https://evil.example/key"), json!([header["kid"]])] {
            forged.push(unsigned(&with(header.clone(), "kid", kid.clone()), &claims, signature));
            forged.push(signed(&with(shared.clone(), "kid", kid), &claims, b""));
        }
        for (name, value) in [
            ("jku", json!("https://evil.example/jwks.json")),
            ("x5u", json!("https://evil.example/cert.pem")),
            ("jwk", key.clone()),
            ("crit", json!(["exp"])),
            ("typ", json!("JWT")),
            ("cty", json!("at+jwt")),
        ] {
            forged.push(unsigned(&with(header.clone(), name, value), &claims, signature));
        }
        for (name, value) in [
            ("tid", json!(other.tenant)),
            ("sub", json!(other.user)),
            ("exp", json!(9_999_999_999_i64)),
            ("nbf", json!(0)),
            ("aud", json!("*")),
        ] {
            forged.push(unsigned(&header, &with(claims.clone(), name, value), signature));
        }
        let theirs = other.token().split('.').collect::<Vec<_>>();
        forged.push(format!("{}.{}.{signature}", parts[0], theirs[1]));
        forged.push(format!("{}.{}.{}", parts[0], parts[1], theirs[2]));
        forged.push(format!("{}.{}", parts[0], parts[1]));
        forged.push(format!("{}.{}.", parts[0], parts[1]));
        forged.push(format!("{}.{}.{signature}.", parts[0], parts[1]));
        forged.push(format!("{}.{}.{signature}=", parts[0], parts[1]));
        forged.push(format!("{}.{}.{}", parts[0], parts[1], signature.to_uppercase()));
        forged.push(acme.token().repeat(20));
        forged.push(acme.refresh_token.clone());
        forged.push("null".to_owned());
        forged.push("..".to_owned());
        for token in forged {
            let answer = server.anonymous().with_token(&token).get(PROFILE).await;
            assert_eq!(answer.status, 401, "{token}: {}", answer.json());
            let message = answer.fails(401, "UNAUTHENTICATED")["message"].clone();
            assert_eq!(message, "the access token is not valid", "{token}");
        }
        acme.get(PROFILE).await.is(200);
    }

    async fn a_token_counts_only_as_what_it_is_and_where_it_belongs(server: &TestServer) {
        let acme = server.owner("acme").await;
        let nobody = server.anonymous();
        let access = acme.token();
        for body in [json!({"refreshToken": access}), json!({"refreshToken": acme.user})] {
            nobody.post("/api/v1/auth/refresh", body).await.fails(401, "UNAUTHENTICATED");
        }
        for (name, value) in [
            ("Authorization", format!("Basic {access}")),
            ("Authorization", access.to_owned()),
            ("Authorization", format!("Bearer{access}")),
            ("Authorization", "Bearer".to_owned()),
            ("Authorization", "Bearer ".to_owned()),
            ("Cookie", format!("access_token={access}; token={access}")),
            ("X-Access-Token", access.to_owned()),
            ("Proxy-Authorization", format!("Bearer {access}")),
        ] {
            let answer = nobody.with(name, &value).get(PROFILE).await;
            answer.fails(401, "UNAUTHENTICATED");
        }
        let query = format!("{PROFILE}?access_token={access}&token={access}");
        nobody.get(&query).await.fails(401, "UNAUTHENTICATED");
        nobody.with_bytes("Authorization", b"Bearer \xff\xfe").get(PROFILE).await
            .fails(401, "UNAUTHENTICATED");
    }

    /// Of two proxies and a server, each might believe another one.
    async fn two_tokens_at_once_are_none(server: &TestServer) {
        let (acme, other) = (server.owner("acme").await, server.owner("other").await);
        let second = format!("Bearer {}", other.token());
        acme.with("Authorization", &second).get(PROFILE).await.fails(401, "UNAUTHENTICATED");
    }

    async fn a_tenant_header_that_cannot_be_read_is_not_ones_own_tenant(server: &TestServer) {
        let (acme, other) = (server.owner("acme").await, server.owner("other").await);
        for value in [&b"\xff\xfe"[..], b"", b" ", b"null", b"*", b"%00"] {
            let caller = acme.with_bytes("X-Tenant-ID", value);
            caller.get(CUSTOMERS).await.fails(403, "NOT_A_MEMBER");
            let input = json!({"companyName": "Strayed"});
            caller.post(CUSTOMERS, input).await.fails(403, "NOT_A_MEMBER");
        }
        let tenants = [(&acme.tenant, &other.tenant), (&other.tenant, &acme.tenant)];
        for (first, second) in tenants {
            let caller = acme.with("X-Tenant-ID", first).with("X-Tenant-ID", second);
            caller.get(CUSTOMERS).await.fails(403, "NOT_A_MEMBER");
            let both = acme.with("X-Tenant-ID", &format!("{first}, {second}"));
            both.get(CUSTOMERS).await.fails(403, "NOT_A_MEMBER");
        }
        assert_eq!(acme.get(CUSTOMERS).await.is(200)["meta"]["total"], 0);
    }

    async fn two_expected_versions_are_refused_in_one_header_or_in_two(server: &TestServer) {
        let acme = server.owner("acme").await;
        let created = acme.post(CUSTOMERS, json!({"companyName": "A"})).await.data();
        let path = format!("{CUSTOMERS}/{}", created["id"].as_str().unwrap());
        let callers = [
            acme.with("If-Match", "\"1\", \"9\""),
            acme.with("If-Match", "\"1\"").with("If-Match", "\"9\""),
            acme.with("If-Match", "*").with("If-Match", "\"9\""),
            acme.with_bytes("If-Match", b"\"\xff\""),
        ];
        for caller in callers {
            caller.delete(&path).await.fails(400, "INVALID_HEADER");
        }
        assert_eq!(acme.get(&path).await.data(), created);
    }

    async fn no_spelling_of_a_path_leads_past_the_door(server: &TestServer) {
        let (acme, other) = (server.owner("acme").await, server.owner("other").await);
        let created = other.post(CUSTOMERS, json!({"companyName": "Hidden Harbour"})).await.data();
        let (id, tenant) = (created["id"].as_str().unwrap(), other.tenant.as_str());
        let own = acme.tenant.as_str();
        let nobody = server.anonymous();
        for path in [
            format!("/api/v1//customers/{id}"),
            format!("/api/v1/customers//{id}"),
            format!("//api/v1/customers/{id}"),
            format!("/api/v1/customers/./{id}"),
            format!("/api/v1/auth/../customers/{id}"),
            format!("/api/v1/auth/login/../../customers/{id}"),
            format!("/api/v1/health/live/../../customers/{id}"),
            format!("/api/v1/%2e%2e/v1/customers/{id}"),
            format!("/api/v1/auth%2F..%2Fcustomers/{id}"),
            format!("/api/v1/customers%2F{id}"),
            format!("/api/v1/customers/{id}%00"),
            format!("/api/v1/customers/{id};a=b"),
            format!("/api/v1/customers;/{id}"),
            format!("/API/V1/CUSTOMERS/{id}"),
            format!("/api/v1/%63ustomers/{id}"),
            format!("/api/v1/customers/{}", id.to_uppercase()),
            format!("/api/v1/customers/{}", id.replace('-', "")),
            format!("/api/v1/customers/urn:uuid:{id}"),
            format!("/api/v1/customers/{id}/"),
            format!("/api/v1/customers/{id}%20"),
            format!("/api/v1/customers/{id}/restore/../"),
            format!("/api/v1/tenants/{tenant}/customers/{id}"),
            format!("/api/v1/tenants/{}/customers/{id}", tenant.to_uppercase()),
            format!("/api/v1/tenants/{tenant}//customers/{id}"),
            format!("/api/v1/tenants//{tenant}/customers/{id}"),
            format!("/api/v1/%74enants/{tenant}/customers/{id}"),
            format!("/api/v1/Tenants/{tenant}/customers/{id}"),
            format!("/api/v1/tenants/{tenant}%2Fcustomers/{id}"),
            format!("/api/v1/tenants/{own}/tenants/{tenant}/customers/{id}"),
            format!("/api/v1/tenants/{tenant}/tenants/{own}/customers/{id}"),
            format!("/api/v1/tenants/{own}/../{tenant}/customers/{id}"),
            format!("/api/v1/tenants/{own}%2F..%2F{tenant}/customers/{id}"),
            format!("/api/v1/tenants/members/customers/{id}"),
            format!("/api/v1/tenants/{tenant}/members/../customers/{id}"),
            format!("/api/tenant/{tenant}/customers/{id}/"),
            format!("/api/api/v1/customers/{id}"),
            format!("/api/v1/v1/customers/{id}"),
            format!("/api/v1/customers/{id}?id={id}&tenantId={tenant}"),
            format!("/health/../api/v1/customers/{id}"),
            format!("/health/live/../../api/v1/customers/{id}"),
        ] {
            for caller in [&*acme, &nobody] {
                for method in [Method::GET, Method::DELETE] {
                    let answer = caller.send(method.clone(), &path, None).await;
                    let body = answer.json();
                    let status = answer.status.as_u16();
                    assert!((400..500).contains(&status), "{method} {path}: {status} {body}");
                    assert_eq!(body["success"], false, "{method} {path}: {body}");
                    assert!(!body.to_string().contains("Harbour"), "{method} {path}: {body}");
                }
            }
        }
        let read = other.get(&format!("{CUSTOMERS}/{id}")).await.data();
        assert_eq!(read, created);
        for method in ["TRACE", "CONNECT", "PROPFIND", "HEAD", "get"] {
            let method: Method = method.parse().unwrap();
            let answer = nobody.send(method.clone(), &format!("{CUSTOMERS}/{id}"), None).await;
            assert!(answer.status.is_client_error(), "{method}: {}", answer.status);
        }
        let overridden = other.with("X-HTTP-Method-Override", "DELETE");
        overridden.get(&format!("{CUSTOMERS}/{id}")).await.is(200);
        other.get(&format!("{CUSTOMERS}/{id}?_method=DELETE")).await;
        assert_eq!(other.get(&format!("{CUSTOMERS}/{id}")).await.data(), created);
    }

    /// The sign of a full-width keyboard folds into the one of an address.
    async fn nobody_takes_anothers_address_as_a_user_name(server: &TestServer) {
        let nobody = server.anonymous();
        for name in ["owner@acme.example", "owner＠acme.example", "owner﹫acme.example", "o\u{3000}o"] {
            let input = json!({"email": "eve@example.com", "username": name, "password": "another secret"});
            let answer = nobody.post("/api/v1/auth/signup", input).await;
            answer.fails(422, "INVALID_USERNAME");
        }
        server.owner("acme").await;
        server.sign_in("owner@acme.example").await;
    }

    /// What is told of an account is told by its password only.
    async fn signing_in_says_the_same_of_everybody(server: &TestServer) {
        let acme = server.owner("acme").await;
        let user = server.colleague(&acme, BuiltIn::User).await;
        let nobody = server.anonymous();
        let mut told = Vec::new();
        for login in [
            acme.email.as_str(), &user.email, "nobody@acme.example", "", " ", "' OR 1=1 --", "a\u{0}b",
            &"x".repeat(400), "owner@acme.example\u{0}", "%", "owner%", "*",
        ] {
            for field in ["email", "username"] {
                for password in ["wrong password", "", "\u{0}", &"x".repeat(5_000)] {
                    let input = json!({field: login, "password": password});
                    let answer = nobody.post("/api/v1/auth/login", input).await;
                    let mut body = answer.fails(401, "UNAUTHENTICATED");
                    body.as_object_mut().unwrap().remove("requestId");
                    told.push(body.to_string());
                }
            }
        }
        told.dedup();
        assert_eq!(told.len(), 1, "{told:?}");
        let input = json!({"email": acme.email, "password": format!("{PASSWORD} ")});
        nobody.post("/api/v1/auth/login", input).await.fails(401, "UNAUTHENTICATED");
    }
}
