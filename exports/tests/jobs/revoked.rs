//! What is taken away from whoever asked: of no data set is a file made after that, and none that was made before is given out.

use std::{fs, path::Path};

use domain::{
    Code, Role,
    customer::{self, NewCustomer},
    grant::{self, GrantTarget},
    id::CustomerId,
    identity::VerifiedClaims,
    job::{Job, JobState},
    scope::Visibility,
};
use exports::{Asked, DataSet, Format, Order, Request};
use strum::VariantArray as _;

use crate::fixture::{ADAM, Fixture};

const PART: &str =
    r#"{"period": {"between": {"from": "2026-09-01T00:00:00Z", "to": "2026-10-01T00:00:00Z"}}}"#;
const CUBES: &str = r#"{"measures": ["RECORDS"], "group_by": [{"dimension": "CUSTOMER"}],
    "period": {"between": {"from": "2026-09-01T00:00:00Z", "to": "2026-10-01T00:00:00Z"}}}"#;

fn order(data_set: DataSet) -> Order {
    let json = match (data_set, data_set.entry().asked) {
        (_, Asked::Filter) => None,
        (DataSet::Usage, _) => Some(CUBES),
        _ => Some(PART),
    };
    let request = Request::parse(data_set, json).expect("a request");
    Order::new(request, Format::Csv)
}

/// Files of jobs, each with its manifest.
fn files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .map(|path| if path.is_dir() { files(&path) } else { 1 })
        .sum()
}

impl Fixture {
    async fn customer(&self, slug: &str) -> CustomerId {
        let cx = self.enter(ADAM).await.write(None).await.expect("opened");
        let new = NewCustomer {
            slug: slug.into(),
            name: slug.into(),
            ..NewCustomer::default()
        };
        customer::create(cx, new).await.expect("created").id
    }

    async fn open(&self, customer: CustomerId, visibility: Visibility) {
        let cx = self.enter(ADAM).await.write(None).await.expect("opened");
        let set = customer::set_visibility(cx, customer, visibility).await;
        set.expect("set");
    }

    /// Asks for a file of every data set that this caller may ask for.
    async fn ask_for_each(&self, claims: &VerifiedClaims) -> Vec<Job> {
        let session = self.enter_as(claims).await;
        let mut jobs = Vec::new();
        for data_set in DataSet::VARIANTS {
            if session.scope().may(data_set.entry().needs) {
                let cx = session.write(None).await.expect("opened");
                let asked = self
                    .exports
                    .create(&session, cx, None, &order(*data_set))
                    .await;
                jobs.push(asked.expect("asked"));
            }
        }
        jobs
    }

    /// Takes something away while there is a file of everything, and another one is waited for.
    async fn lose(&self, claims: &VerifiedClaims, taken: impl AsyncFnOnce(&Self)) {
        let made = self.ask_for_each(claims).await;
        assert_eq!(made.len(), 8);
        for _ in &made {
            self.work().await;
        }
        let session = self.enter_as(claims).await;
        for job in &made {
            let given = self.exports.download(&session, job.id, None).await;
            assert!(given.is_ok(), "{}: {given:?}", job.name);
        }
        let waiting = self.ask_for_each(claims).await;
        assert_eq!(waiting.len(), made.len());
        let before = files(self.folder.path());
        taken(self).await;
        for _ in &waiting {
            self.work().await;
        }
        for job in &waiting {
            let job = self.job(job.id).await;
            let code = job.failure.as_ref().map(|failure| failure.code);
            assert_eq!(code, Some(Code::RightsChanged), "{}", job.name);
            assert_eq!((job.state, job.result), (JobState::Failed, None));
        }
        assert_eq!(files(self.folder.path()), before, "none was made");
        let session = self.enter_as(claims).await;
        for job in &made {
            let job = self.job(job.id).await;
            assert_eq!(job.state, JobState::Complete, "{}", job.name);
            let given = self.exports.download(&session, job.id, None).await;
            let code = given.map(drop).map_err(|error| error.code());
            assert_eq!(code, Err(Code::RightsChanged), "{}", job.name);
            let link = self.exports.link(&session, &job).await;
            assert_eq!(link.expect("known"), None, "{}", job.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_loses_a_grant_gets_no_file_of_any_data_set() {
    let fixture = Fixture::new().await;
    let mut grants = Vec::new();
    for slug in ["bosch", "dyer"] {
        let customer = fixture.customer(slug).await;
        let cx = fixture.enter(ADAM).await.write(None).await.expect("opened");
        let granted = grant::add(cx, "vera", vec![GrantTarget::Customer(customer)]).await;
        grants = granted.expect("granted");
    }
    let vera = VerifiedClaims::new("vera".into(), "alpha".into(), Role::Viewer, None);
    let vera = vera.expect("claims");
    let lost = fixture.lose(&vera, async |fixture| {
        let cx = fixture.enter(ADAM).await.write(None).await.expect("opened");
        let revoked = grant::revoke(cx, grants[0].id).await;
        revoked.expect("revoked");
    });
    lost.await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_switch_is_closed_gets_no_file_of_any_data_set() {
    let fixture = Fixture::new().await;
    let bosch = fixture.customer("bosch").await;
    let (user, customer) = (Role::CustomerUser, Some("bosch".into()));
    let user = VerifiedClaims::new("bob".into(), "alpha".into(), user, customer);
    let user = user.expect("claims");
    let all = Visibility::ALL;
    for closed in [
        Visibility {
            devices: false,
            ..all
        },
        Visibility { sims: false, ..all },
        Visibility {
            sessions: false,
            ..all
        },
        Visibility {
            usage: false,
            ..all
        },
        Visibility {
            billing: false,
            ..all
        },
    ] {
        fixture.open(bosch, all).await;
        let lost = fixture.lose(&user, async |fixture| fixture.open(bosch, closed).await);
        lost.await;
    }
}
