//! Two changes of one thing at once: neither undoes the other, and what one relies on stays until it is made.

use domain::{
    Code, Error, Result,
    customer::{self, ContactPatch, CustomerPatch, NewCustomer},
    grant::{self, GrantTarget},
    id::SimId,
    label::{self, Label, LabelDefinitionPatch},
    list::{List as _, Order},
    paging::PageRequest,
    sim::{self, Sim, SimFilter},
};

use crate::house::{Counted, House, counts};

/// Enough for changes to meet: half of them went wrong before.
const ROUNDS: usize = 20;

fn named(slug: &str) -> NewCustomer {
    NewCustomer {
        slug: slug.into(),
        name: slug.into(),
        contact: ContactPatch::default(),
    }
}

fn contact(email: Option<&str>, phone: Option<&str>) -> CustomerPatch {
    let text = |text: &str| Some(text.to_owned());
    CustomerPatch {
        name: None,
        contact: ContactPatch {
            email: email.map(text),
            phone: phone.map(text),
            ..ContactPatch::default()
        },
    }
}

async fn sims(house: &House) -> Vec<SimId> {
    let cx = house.db.read(&house.alpha).await.expect("read");
    let page = PageRequest::relay(Some(100), None, None, None).expect("a page");
    let page = Sim::page(&cx, &SimFilter::default(), Order::default(), &page).await;
    let rows = page.expect("SIMs").rows;
    rows.into_iter().map(|(_, sim)| sim.id).collect()
}

const FLEET: &str = "iccid,state\n8944500112233445501,ACTIVE\n8944500112233445502,ACTIVE\n8944500112233445503,ACTIVE\n";

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_one_customer_do_not_undo_each_other() {
    let house = House::new().await;
    let write = || house.db.write(&house.alpha);
    for round in 0..ROUNDS {
        let new = named(&format!("c{round}"));
        let made = customer::create(write().await.expect("write"), new).await;
        let id = made.expect("a customer").id;
        let (archived, mailed, called) = tokio::join!(
            async { customer::archive(write().await?, id, true).await },
            async { customer::update(write().await?, id, contact(Some("a@b"), None)).await },
            async { customer::update(write().await?, id, contact(None, Some("112"))).await },
        );
        archived.and(mailed).and(called).expect("changed");
        let cx = house.db.read(&house.alpha).await.expect("read");
        let after = customer::get(&cx, id).await.expect("a customer");
        let kept = (
            after.archived_at.is_some(),
            after.email.as_deref(),
            after.phone.as_deref(),
        );
        assert_eq!(kept, (true, Some("a@b"), Some("112")), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_value_is_set_that_is_not_an_option_any_more() {
    let house = House::new().await;
    assert_eq!(counts(&house.import(FLEET).await), (3, 0, 0, 0));
    let sims = sims(&house).await;
    let write = || house.db.write(&house.alpha);
    let options = |of: &[&str]| Some(of.iter().map(|option| (*option).to_owned()).collect());
    for round in 0..ROUNDS {
        let key = format!("k{round}");
        let defined = label::define(
            write().await.expect("write"),
            key.clone(),
            options(&["a", "b"]),
        );
        let definition = defined.await.expect("defined").id;
        let label = || {
            let (key, value) = (key.clone(), "b".into());
            vec![Label { key, value }]
        };
        let csv = format!("iccid,state,labels\n8944500112233445503,ACTIVE,{key}=b\n");
        let narrow = LabelDefinitionPatch {
            options: Some(options(&["a"])),
        };
        let (first, second, imported, narrowed) = tokio::join!(
            async { sim::set_labels(write().await?, sims[0], label(), vec![]).await },
            async { sim::set_labels(write().await?, sims[1], label(), vec![]).await },
            house.import_as(&house.alpha, &csv, &Counted::Nowhere),
            async { label::update(write().await?, definition, narrow).await },
        );
        let sql = format!(
            "SELECT value FROM sim_label JOIN label_definition AS d USING (tenant_id, label_id)
             WHERE d.key = '{key}' AND value <> ALL (d.options)"
        );
        let outside = house.text(&sql).await;
        let outcomes = format!("{first:?} {second:?} {imported:?} {narrowed:?}");
        assert_eq!(outside, [""; 0], "round {round}: {outcomes}");
        assert!(!outcomes.contains("Internal"), "{outcomes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_is_deleted_meanwhile_is_not_found() {
    let house = House::new().await;
    house.import(FLEET).await;
    let sims = sims(&house).await;
    let write = || house.db.write(&house.alpha);
    for round in 0..ROUNDS {
        let key = format!("k{round}");
        let defined = label::define(write().await.expect("write"), key.clone(), None);
        let definition = defined.await.expect("defined").id;
        let (set, deleted): (Result<_>, Result<()>) = tokio::join!(
            async {
                let value = "b".into();
                sim::set_labels(write().await?, sims[0], vec![Label { key, value }], vec![]).await
            },
            async { label::delete(write().await?, definition).await },
        );
        let codes = [set.map(|_| ()), deleted].map(|it| it.err().as_ref().map(Error::code));
        let fine = [[Some(Code::NotFound), None], [None, Some(Code::Conflict)]];
        assert!(fine.contains(&codes), "round {round}: {codes:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_in_opposite_orders_wait_and_never_in_a_circle() {
    let house = House::new().await;
    house.import(FLEET).await;
    let sims = sims(&house).await;
    let write = || house.db.write(&house.alpha);
    let keys: Vec<String> = (0..20).map(|n| format!("k{n}")).collect();
    for key in &keys {
        let defined = label::define(write().await.expect("write"), key.clone(), None);
        defined.await.expect("defined");
    }
    for round in 0..ROUNDS {
        let labels = |keys: &mut dyn Iterator<Item = &String>| -> Vec<Label> {
            keys.map(|key| Label {
                key: key.clone(),
                value: format!("v{round}"),
            })
            .collect()
        };
        let (up, down) = (labels(&mut keys.iter()), labels(&mut keys.iter().rev()));
        let (first, second) = tokio::join!(
            async { sim::set_labels(write().await?, sims[0], up, vec![]).await },
            async { sim::set_labels(write().await?, sims[0], down, vec![]).await },
        );
        first.and(second).expect("labelled");
        let subject = format!("ada-{round}");
        let targets: Vec<GrantTarget> = sims.iter().copied().map(GrantTarget::Sim).collect();
        let reversed: Vec<GrantTarget> = targets.iter().copied().rev().collect();
        let (first, second) = tokio::join!(
            async { grant::add(write().await?, &subject, targets).await },
            async { grant::add(write().await?, &subject, reversed).await },
        );
        let granted = [
            first.expect("granted").len(),
            second.expect("granted").len(),
        ];
        assert_eq!(granted, [3, 3]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_while_a_file_is_imported_is_a_conflict() {
    let house = House::new().await;
    for round in 0..ROUNDS {
        let csv = format!("iccid,state,customer\n8944500112233445501,ACTIVE,c{round}\n");
        let (imported, created) = tokio::join!(
            house.import_as(&house.alpha, &csv, &Counted::Nowhere),
            async {
                let cx = house.db.write(&house.alpha).await?;
                customer::create(cx, named(&format!("c{round}"))).await
            },
        );
        let codes = [imported.map(|_| ()), created.map(|_| ())];
        for error in codes.into_iter().filter_map(Result::err) {
            assert_eq!(error.code(), Code::Conflict, "round {round}");
        }
    }
}
