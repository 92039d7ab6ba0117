//! How the contract's question to the cube becomes the planner's.

use analytics::usage::{Dimension, Filter, Grain, Key, Measure, Order, OrderBy, UsageQuery};
use domain::{
    Code, Error, Period, Result,
    id::{CustomerId, DeviceId, SimId},
    identifier::Plmn,
};
use schema::{
    order::OrderDirection,
    parse_ids,
    usage::{self as words, UsageFilter, UsageInput, UsageOrder, UsageOrderKey, UsageService},
};

/// Sort keys of one question; more cannot matter.
const MAX_ORDER: usize = 5;

/// # Errors
/// `INVALID_INPUT` for an empty period, a negative limit, or an id of another kind.
pub(crate) fn ask(input: UsageInput, measures: Vec<Measure>) -> Result<UsageQuery> {
    if input.order_by.len() > MAX_ORDER {
        return Err(Error::new(
            Code::LimitExceeded,
            format!("a question has at most {MAX_ORDER} sort keys"),
        ));
    }
    Ok(UsageQuery {
        measures,
        dimensions: input.dimensions.into_iter().map(dimension).collect(),
        grain: input.grain.map(grain),
        period: Period::new(input.from, input.to)?,
        filter: input.filter.map(filter).transpose()?,
        order_by: input
            .order_by
            .into_iter()
            .map(order)
            .collect::<Result<_>>()?,
        limit: u32::try_from(input.limit).map_err(|_| Error::invalid("a limit is not negative"))?,
    })
}

fn grain(grain: words::Grain) -> Grain {
    match grain {
        words::Grain::Hour => Grain::Hour,
        words::Grain::Day => Grain::Day,
        words::Grain::Week => Grain::Week,
        words::Grain::Month => Grain::Month,
        words::Grain::Year => Grain::Year,
    }
}

fn dimension(dimension: words::UsageDimension) -> Dimension {
    match dimension {
        words::UsageDimension::Network => Dimension::Network,
        words::UsageDimension::Country => Dimension::Country,
        words::UsageDimension::Customer => Dimension::Customer,
        words::UsageDimension::Sim => Dimension::Sim,
        words::UsageDimension::Device => Dimension::Device,
        words::UsageDimension::RadioAccessType => Dimension::RadioAccessType,
        words::UsageDimension::Service => Dimension::Service,
        words::UsageDimension::Source => Dimension::Source,
    }
}

fn measure(measure: words::UsageMeasure) -> Measure {
    match measure {
        words::UsageMeasure::BytesUp => Measure::BytesUp,
        words::UsageMeasure::BytesDown => Measure::BytesDown,
        words::UsageMeasure::BytesTotal => Measure::BytesTotal,
        words::UsageMeasure::Records => Measure::Records,
        words::UsageMeasure::ActiveSims => Measure::ActiveSims,
    }
}

fn order(order: UsageOrder) -> Result<Order> {
    let by = match order.by {
        UsageOrderKey::Measure(by) => OrderBy::Measure(measure(by)),
        UsageOrderKey::Dimension(by) => OrderBy::Dimension(dimension(by)),
        UsageOrderKey::Period(true) => OrderBy::Period,
        UsageOrderKey::Period(false) => {
            return Err(Error::invalid("`period` is true, or another key is given"));
        }
    };
    Ok(Order {
        by,
        descending: order.direction == OrderDirection::Desc,
    })
}

fn filter(filter: UsageFilter) -> Result<Filter> {
    let all = |parts: Vec<UsageFilter>| {
        parts
            .into_iter()
            .map(self::filter)
            .collect::<Result<Vec<_>>>()
    };
    Ok(match filter {
        UsageFilter::And(parts) => Filter::And(all(parts)?),
        UsageFilter::Or(parts) => Filter::Or(all(parts)?),
        UsageFilter::Not(part) => Filter::Not(Box::new(self::filter(*part)?)),
        UsageFilter::Networks(networks) => {
            let plmns = networks
                .iter()
                .map(|text| Ok(Key::from(Plmn::parse(text)?.as_str())));
            is_in(Dimension::Network, plmns.collect::<Result<_>>()?)
        }
        UsageFilter::Countries(codes) => is_in(
            Dimension::Country,
            texts(codes.iter().map(|code| code.to_uppercase())),
        ),
        UsageFilter::Customers(ids) => {
            is_in(Dimension::Customer, keys(parse_ids::<CustomerId>(&ids)?))
        }
        UsageFilter::Unassigned(true) => unassigned(),
        UsageFilter::Unassigned(false) => Filter::Not(Box::new(unassigned())),
        UsageFilter::Sims(ids) => is_in(Dimension::Sim, keys(parse_ids::<SimId>(&ids)?)),
        UsageFilter::Devices(ids) => is_in(Dimension::Device, keys(parse_ids::<DeviceId>(&ids)?)),
        UsageFilter::RadioAccessTypes(types) => is_in(Dimension::RadioAccessType, texts(types)),
        UsageFilter::Services(services) => is_in(
            Dimension::Service,
            texts(services.into_iter().map(|word| service(word).to_owned())),
        ),
        UsageFilter::Sources(sources) => is_in(Dimension::Source, texts(sources)),
    })
}

fn service(service: UsageService) -> &'static str {
    match service {
        UsageService::Data => "DATA",
        UsageService::Sms => "SMS",
        UsageService::Voice => "VOICE",
    }
}

fn unassigned() -> Filter {
    is_in(Dimension::Customer, vec![Key::None])
}

fn is_in(dimension: Dimension, values: Vec<Key>) -> Filter {
    Filter::In { dimension, values }
}

fn keys<T: Into<Key>>(ids: Vec<T>) -> Vec<Key> {
    ids.into_iter().map(Into::into).collect()
}

fn texts(texts: impl IntoIterator<Item = String>) -> Vec<Key> {
    texts.into_iter().map(Key::Text).collect()
}
