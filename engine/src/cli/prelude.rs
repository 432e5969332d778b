//! What every verb uses.

pub(super) use super::client::{ApiFailure, Doc, Params, parse_filters, segment};
pub(super) use super::command::{Args, Command, Flag, Matches, Need};
pub(super) use super::formatter::{self, Rows};
pub(super) use super::host::{HostError, Stream};
pub(super) use super::units;
pub(super) use super::{Cli, Failure, quote};
pub(super) use crate::api::{Body, Request, Response};
pub(super) use serde_json::{Value as J, json};

/// A help text many commands share.
pub const FORMAT_TABLE: &str = "Format output using a custom template:\n'table':            Print output in table format with column headers (default)\n'table TEMPLATE':   Print output in table format using the given Go template\n'json':             Print in JSON format\n'TEMPLATE':         Print output using the given Go template.\nRefer to https://docs.docker.com/go/formatting/ for more information about formatting output with templates";
/// A help text many commands share.
pub const FORMAT_INSPECT: &str = "Format output using a custom template:\n'json':             Print in JSON format\n'TEMPLATE':         Print output using the given Go template.\nRefer to https://docs.docker.com/go/formatting/ for more information about formatting output with templates";
