//! Pages of a list (contract 1).

use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::input::{Body, Input, Reader};

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// How many entries at most.
    #[param(minimum = 1, maximum = 100, default = 25)]
    pub limit: i64,
    /// How many entries to skip.
    #[param(minimum = 0, maximum = 10_000, default = 0)]
    pub offset: i64,
}

impl Input for Page {
    const BODY: Body = Body::None;

    fn read(request: &mut Reader) -> Option<Self> {
        let limit = request.query("limit").integer(1..=100).unwrap_or(25);
        let offset = request.query("offset").integer(0..=10_000).unwrap_or(0);
        Some(Self { limit, offset })
    }
}

impl Page {
    /// The reply for this page.
    pub fn of<T>(self, data: Vec<T>, total: i64) -> List<T> {
        List { data, pagination: Pagination { limit: self.limit, offset: self.offset, total } }
    }
}

/// What a list says about itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct Pagination {
    /// As asked for, or the default.
    #[schema(example = 25)]
    pub limit: i64,
    /// As asked for, or 0.
    #[schema(example = 0)]
    pub offset: i64,
    /// All entries there are. Exact up to 10,000; above that up to a minute old.
    #[schema(example = 1)]
    pub total: i64,
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct List<T> {
    /// Oldest first.
    pub data: Vec<T>,
    /// Where in the list this is.
    pub pagination: Pagination,
}

/// A single thing.
#[derive(Debug, Serialize, ToSchema)]
pub struct Data<T> {
    /// The thing.
    pub data: T,
}
