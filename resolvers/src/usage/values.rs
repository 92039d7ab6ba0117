//! `UsageValues`: quantities. Its fields are the measures of the catalogue, so that a measure is one entry there and nothing here.

use std::borrow::Cow;

use analytics::usage::{Measure, Values};
use async_graphql::{
    CacheControl, ContainerType, Context, ContextSelectionSet, OutputType, Positioned,
    ServerResult, Value,
    indexmap::IndexMap,
    parser::types::Field,
    registry::{Deprecation, MetaField, MetaType, MetaTypeId, Registry},
    resolver_utils::resolve_container,
};
use domain::usage::Unit;
use schema::scalar::{BigInt, Decimal, int};
use strum::{EnumMessage as _, VariantArray as _};

use crate::{
    error::camel,
    written::{Selected, Step, Written, is_named, value},
};

/// Quantities; those that are not selected are not computed.
pub(crate) struct UsageValues(pub(crate) Values);

/// The field of a measure.
fn field(measure: Measure) -> String {
    camel(&measure.as_ref().to_ascii_lowercase())
}

/// The measure whose field this is.
pub(crate) fn measure(name: &str) -> Option<Measure> {
    let mut measures = Measure::VARIANTS.iter().copied();
    measures.find(|measure| is_named(measure.as_ref(), name))
}

/// How a measure is shown.
enum Shown {
    /// Fewer than 2^31.
    Int(i32),
    BigInt(BigInt),
    Decimal(Decimal),
}

impl Shown {
    fn of(measure: Measure, quantity: i128) -> Self {
        let entry = measure.entry();
        match (entry.unit, entry.expression.places()) {
            (Unit::Sims, _) => Self::Int(int(u64::try_from(quantity).unwrap_or_default())),
            (_, 0) => Self::BigInt(BigInt(quantity)),
            (_, places) => Self::Decimal(Decimal::new(quantity, places)),
        }
    }
}

fn type_of(measure: Measure, registry: &mut Registry) -> String {
    let entry = measure.entry();
    match (entry.unit, entry.expression.places()) {
        (Unit::Sims, _) => Option::<i32>::create_type_info(registry),
        (_, 0) => Option::<BigInt>::create_type_info(registry),
        _ => Option::<Decimal>::create_type_info(registry),
    }
}

impl OutputType for UsageValues {
    fn type_name() -> Cow<'static, str> {
        "UsageValues".into()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        registry.create_output_type::<Self, _>(MetaTypeId::Object, |registry| {
            let fields = Measure::VARIANTS.iter().map(|measure| {
                let field = MetaField {
                    name: field(*measure),
                    description: measure.get_documentation().map(str::to_owned),
                    ty: type_of(*measure, registry),
                    ..plain()
                };
                (field.name.clone(), field)
            });
            MetaType::Object {
                name: Self::type_name().into_owned(),
                description: Some(
                    "Measures; only those that are selected are computed. Those that are closed to the caller are null, with \
                     one `FORBIDDEN` error at the usage field."
                        .into(),
                ),
                fields: fields.collect(),
                cache_control: CacheControl::default(),
                extends: false,
                shareable: false,
                resolvable: true,
                keys: None,
                visible: None,
                inaccessible: false,
                interface_object: false,
                tags: Vec::new(),
                is_subscription: false,
                rust_typename: Some(std::any::type_name::<Self>()),
                directive_invocations: Vec::new(),
                requires_scopes: Vec::new(),
            }
        })
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        _: &Positioned<Field>,
    ) -> ServerResult<Value> {
        resolve_container(ctx, self).await
    }
}

fn plain() -> MetaField {
    MetaField {
        name: String::new(),
        description: None,
        args: IndexMap::default(),
        ty: String::new(),
        deprecation: Deprecation::default(),
        cache_control: CacheControl::default(),
        external: false,
        requires: None,
        provides: None,
        visible: None,
        shareable: false,
        inaccessible: false,
        tags: Vec::new(),
        override_from: None,
        compute_complexity: None,
        directive_invocations: Vec::new(),
        requires_scopes: Vec::new(),
    }
}

impl ContainerType for UsageValues {
    async fn resolve_field(&self, ctx: &Context<'_>) -> ServerResult<Option<Value>> {
        let Some(measure) = measure(ctx.item.node.name.node.as_str()) else {
            return Ok(None);
        };
        let shown = self
            .0
            .get(measure)
            .map(|quantity| Shown::of(measure, quantity));
        Ok(Some(match shown {
            None => Value::Null,
            Some(Shown::Int(number)) => number.into(),
            Some(Shown::BigInt(number)) => number.0.to_string().into(),
            Some(Shown::Decimal(number)) => number.0.to_string().into(),
        }))
    }
}

impl Written for UsageValues {
    fn step(field: Selected<'_>) -> Option<Step<Self>> {
        let measure = measure(field.name())?;
        Some(Box::new(move |values, text| match values.0.get(measure) {
            None => value((), text),
            Some(quantity) => match Shown::of(measure, quantity) {
                Shown::Int(number) => value(number, text),
                Shown::BigInt(number) => value(number, text),
                Shown::Decimal(number) => value(number, text),
            },
        }))
    }
}
