//! Single objects, by whatever names them.

use domain::{
    Error, Result,
    customer::{self, Customer, CustomerBy},
    device::{self, Device},
    grant::{self, Grant},
    id::{
        BatchId, CustomerId, DeviceId, GrantId, JobId, LabelId, NotificationId, SavedFilterId,
        ScheduleId, SimId, TenantId,
    },
    identifier::Plmn,
    job::{self, Job},
    journal::{self, BatchPart},
    label::{self, LabelDefinition},
    network::{self, Network},
    notification::{self, Notification},
    saved_filter::{self, SavedFilter},
    schedule::{self, Schedule},
    sim::{self, Sim, SimBy},
    tenant::{self, Tenant},
};

use crate::Session;

/// An object with a global id.
#[derive(Clone, Debug)]
pub enum Found {
    /// What the tenant has in an intake batch.
    Batch(BatchPart),
    /// A customer.
    Customer(Customer),
    /// A device.
    Device(Device),
    /// A segment grant.
    Grant(Grant),
    /// A job.
    Job(Box<Job>),
    /// A label definition.
    LabelDefinition(LabelDefinition),
    /// A network.
    Network(Network),
    /// What the caller is told.
    Notification(Notification),
    /// A saved filter.
    SavedFilter(SavedFilter),
    /// Work that is done every month.
    Schedule(Box<Schedule>),
    /// A SIM.
    Sim(Sim),
    /// The caller's tenant.
    Tenant(Tenant),
}

impl Session {
    /// A SIM.
    ///
    /// # Errors
    /// `NOT_FOUND` when the caller cannot see it, `CONFLICT` when an ICCID could mean two.
    pub async fn sim(&self, by: SimBy) -> Result<Sim> {
        let cx = self.read().await?;
        match by {
            SimBy::Id(id) => sim::get(&cx, id).await,
            SimBy::Iccid(iccid) => sim::get_by_iccid(&cx, &iccid).await,
        }
    }

    /// A customer.
    ///
    /// # Errors
    /// `NOT_FOUND` when the caller cannot see it.
    pub async fn customer_by(&self, by: CustomerBy) -> Result<Customer> {
        let cx = self.read().await?;
        match by {
            CustomerBy::Id(id) => customer::get(&cx, id).await,
            CustomerBy::Slug(slug) => customer::get_by_slug(&cx, &slug).await,
        }
    }

    /// The object with this global id, whose prefix names its kind.
    ///
    /// # Errors
    /// `INVALID_INPUT` for what is no id of its kind, `NOT_FOUND` when the caller cannot see such an object.
    pub async fn object(&self, id: &str) -> Result<Found> {
        let cx = self.read().await?;
        let prefix = id.split_once('_').map_or("", |(prefix, _)| prefix);
        match prefix {
            BatchId::PREFIX => journal::batch(&cx, id.parse()?).await.map(Found::Batch),
            CustomerId::PREFIX => customer::get(&cx, id.parse()?).await.map(Found::Customer),
            DeviceId::PREFIX => device::get(&cx, id.parse()?).await.map(Found::Device),
            GrantId::PREFIX => grant::get(&cx, id.parse()?).await.map(Found::Grant),
            JobId::PREFIX => job::get(&cx, id.parse()?)
                .await
                .map(|job| Found::Job(Box::new(job))),
            LabelId::PREFIX => label::get(&cx, id.parse()?)
                .await
                .map(Found::LabelDefinition),
            Plmn::PREFIX => network::get(&cx, &Plmn::of_id(id)?)
                .await
                .map(Found::Network),
            NotificationId::PREFIX => notification::get(&cx, id.parse()?)
                .await
                .map(Found::Notification),
            SavedFilterId::PREFIX => saved_filter::get(&cx, id.parse()?)
                .await
                .map(Found::SavedFilter),
            ScheduleId::PREFIX => schedule::get(&cx, id.parse()?)
                .await
                .map(|schedule| Found::Schedule(Box::new(schedule))),
            SimId::PREFIX => sim::get(&cx, id.parse()?).await.map(Found::Sim),
            TenantId::PREFIX if id.parse::<TenantId>()? == self.scope().tenant() => {
                tenant::get(&cx).await.map(Found::Tenant)
            }
            _ => Err(Error::not_found("object")),
        }
    }
}
