//! What is shown with records, and remembered for a moment: tags and colleagues, on both stores.

use crm_core::access::{Actor, BuiltIn};
use crm_core::tags::{TagDraft, TagPatch, named};
use crm_core::users::UserId;
use crm_core::{Crm, Error, TenantCrm};

async fn acme(crm: &Crm) -> TenantCrm {
    let tenant = crm.system().create_tenant("Acme").await.unwrap();
    let user = UserId::new(crm.random().uuid(crm.clock().now()));
    crm.tenant(Actor::new(tenant.id, user).with_role(BuiltIn::Owner))
}

fn tag(name: impl Into<String>) -> TagDraft {
    TagDraft { name: name.into(), ..TagDraft::default() }
}

crate::on_both_stores! {
    async fn a_changed_tag_is_shown_as_it_is_at_once(crm: Crm) {
        let acme = acme(&crm).await;
        let vip = acme.tags().create(tag("VIP")).await.unwrap();
        assert_eq!(named(&acme, &[vip.id, vip.id]).await.unwrap().as_slice(), std::slice::from_ref(&vip));
        let rename = TagPatch { name: Some("Key account".into()), ..TagPatch::default() };
        let renamed = acme.tags().patch(vip.id, None, rename).await.unwrap();
        assert_eq!(named(&acme, &[vip.id]).await.unwrap(), [renamed]);
        acme.tags().delete(vip.id, None).await.unwrap();
        assert_eq!(named(&acme, &[vip.id]).await.unwrap(), []);
        let restored = acme.tags().restore(vip.id, None).await.unwrap();
        assert_eq!(named(&acme, &[vip.id]).await.unwrap(), [restored]);
        let stranger = Actor::new(acme.actor().tenant(), acme.actor().user());
        let refused = named(&crm.tenant(stranger), &[vip.id]).await;
        assert!(matches!(refused, Err(Error::Forbidden { .. })), "{refused:?}");
    }

    async fn tags_of_one_tenant_are_no_tags_of_another(crm: Crm) {
        let (acme, other) = (acme(&crm).await, acme(&crm).await);
        let vip = acme.tags().create(tag("VIP")).await.unwrap();
        named(&acme, &[vip.id]).await.unwrap();
        assert_eq!(named(&other, &[vip.id]).await.unwrap(), []);
    }

    async fn more_tags_than_are_remembered_are_shown_all_the_same(crm: Crm) {
        let acme = acme(&crm).await;
        let mut tags = Vec::new();
        for i in 0..=1_000 {
            tags.push(acme.tags().create(tag(format!("tag {i}"))).await.unwrap());
        }
        let some = [tags[0].id, tags[1_000].id];
        let mut shown = named(&acme, &some).await.unwrap();
        shown.sort_by_key(|tag| tag.created_at);
        assert_eq!(shown.len(), 2);
    }
}
