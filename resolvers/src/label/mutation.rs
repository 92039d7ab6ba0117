//! Changes of labels.

use async_graphql::{Context, ID, Object, SimpleObject};
use domain::{device, label, sim};
use schema::{
    label::{
        CreateLabelDefinitionInput, DeleteLabelDefinitionInput, SetDeviceLabelsInput,
        SetSimLabelsInput, UpdateLabelDefinitionInput,
    },
    parse_id_in,
};

use super::LabelDefinition;
use crate::{
    device::Device,
    request::{session, write},
    sim::Sim,
    user_error::{UserError, outcome},
};

/// Changes of labels.
#[derive(Default)]
pub(crate) struct LabelMutation;

/// What a change of a label definition came to.
#[derive(SimpleObject)]
pub(crate) struct LabelDefinitionPayload {
    /// The definition after the change; null when it was not made.
    label_definition: Option<LabelDefinition>,
    /// Why the change was not made.
    user_errors: Vec<UserError>,
}

impl LabelDefinitionPayload {
    fn of(result: domain::Result<label::LabelDefinition>) -> async_graphql::Result<Option<Self>> {
        let (definition, user_errors) = outcome(result)?;
        Ok(Some(Self {
            label_definition: definition.map(Into::into),
            user_errors,
        }))
    }
}

/// Result of `deleteLabelDefinition`.
#[derive(SimpleObject)]
pub(crate) struct DeleteLabelDefinitionPayload {
    /// The definition that is gone; null when it is not.
    label_definition_id: Option<ID>,
    /// Why it is not.
    user_errors: Vec<UserError>,
}

/// Result of `setSimLabels`.
#[derive(SimpleObject)]
pub(crate) struct SetSimLabelsPayload {
    /// The SIM after the change; null when it was not made.
    sim: Option<Sim>,
    /// Why the change was not made.
    user_errors: Vec<UserError>,
}

/// Result of `setDeviceLabels`.
#[derive(SimpleObject)]
pub(crate) struct SetDeviceLabelsPayload {
    /// The device after the change; null when it was not made.
    device: Option<Device>,
    /// Why the change was not made.
    user_errors: Vec<UserError>,
}

#[Object]
impl LabelMutation {
    /// Defines a label. Needs `INVENTORY_WRITE`.
    async fn create_label_definition(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The definition.")] input: CreateLabelDefinitionInput,
    ) -> async_graphql::Result<Option<LabelDefinitionPayload>> {
        let change = async {
            let cx = write(ctx, input.idempotency_key.as_deref()).await?;
            label::define(cx, input.key, input.options).await
        };
        LabelDefinitionPayload::of(change.await)
    }

    /// Changes what a label allows. A value that SIMs or devices carry stays among the options. Needs `INVENTORY_WRITE`.
    async fn update_label_definition(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The change.")] input: UpdateLabelDefinitionInput,
    ) -> async_graphql::Result<Option<LabelDefinitionPayload>> {
        let change = async {
            let id = parse_id_in("label_definition_id", &input.label_definition_id)?;
            let cx = write(ctx, input.idempotency_key.as_deref()).await?;
            label::update(cx, id, input.patch()).await
        };
        LabelDefinitionPayload::of(change.await)
    }

    /// Deletes a definition that no SIM and no device carries. Needs `INVENTORY_WRITE`.
    async fn delete_label_definition(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The definition.")] input: DeleteLabelDefinitionInput,
    ) -> async_graphql::Result<Option<DeleteLabelDefinitionPayload>> {
        let change = async {
            let id = parse_id_in("label_definition_id", &input.label_definition_id)?;
            let cx = write(ctx, input.idempotency_key.as_deref()).await?;
            label::delete(cx, id).await
        };
        let (gone, user_errors) = outcome(change.await)?;
        Ok(Some(DeleteLabelDefinitionPayload {
            label_definition_id: gone.map(|()| input.label_definition_id),
            user_errors,
        }))
    }

    /// Sets and removes labels of a SIM. Needs `INVENTORY_WRITE`.
    async fn set_sim_labels(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The change.")] input: SetSimLabelsInput,
    ) -> async_graphql::Result<Option<SetSimLabelsPayload>> {
        let session = session(ctx)?;
        let change = async {
            let id = parse_id_in("sim_id", &input.sim_id)?;
            let set = input.set.into_iter().map(Into::into).collect();
            let cx = write(ctx, input.idempotency_key.as_deref()).await?;
            sim::set_labels(cx, id, set, input.remove).await?;
            sim::get(&*session.read().await?, id).await
        };
        let (sim, user_errors) = outcome(change.await)?;
        let sim = sim.map(Into::into);
        Ok(Some(SetSimLabelsPayload { sim, user_errors }))
    }

    /// Sets and removes labels of a device. Needs `INVENTORY_WRITE`.
    async fn set_device_labels(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The change.")] input: SetDeviceLabelsInput,
    ) -> async_graphql::Result<Option<SetDeviceLabelsPayload>> {
        let session = session(ctx)?;
        let change = async {
            let id = parse_id_in("device_id", &input.device_id)?;
            let set = input.set.into_iter().map(Into::into).collect();
            let cx = write(ctx, input.idempotency_key.as_deref()).await?;
            device::set_labels(cx, id, set, input.remove).await?;
            device::get(&*session.read().await?, id).await
        };
        let (device, user_errors) = outcome(change.await)?;
        let device = device.map(Into::into);
        Ok(Some(SetDeviceLabelsPayload {
            device,
            user_errors,
        }))
    }
}
