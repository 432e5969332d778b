//! `docker context inspect`: display detailed information on one or more contexts.

use super::not_found;
use crate::cli::inspect::inspect;
use crate::cli::prelude::*;
use crate::cli::shapes::{Field, Shape, Struct};

/// The command.
pub const COMMAND: Command = Command {
    names: &["context inspect"],
    usage: "[OPTIONS] [CONTEXT] [CONTEXT...]",
    about: "Display detailed information on one or more contexts",
    args: Args::Any,
    flags: &[Flag::new('f', "format", "string", FORMAT_INSPECT)],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let names = if m.args.is_empty() {
        vec![cli.context_name().await]
    } else {
        m.args.clone()
    };
    let address = cli.address().to_string();
    let document = format!(
        "{{\"Name\":\"default\",\"Metadata\":{{}},\"Endpoints\":{{\"docker\":{{\"Host\":{},\"SkipTLSVerify\":false}}}},\"TLSMaterial\":{{}},\"Storage\":{{\"MetadataPath\":\"\\u003cIN MEMORY\\u003e\",\"TLSPath\":\"\\u003cIN MEMORY\\u003e\"}}}}",
        J::from(address)
    );
    inspect(cli, m.str("format"), &names, async |name| match name {
        "default" => Ok((document.clone().into_bytes(), Some(&CONTEXT))),
        _ => Err(ApiFailure::Other(not_found(cli, name).text)),
    })
    .await
}

const ENDPOINT: Struct = Struct {
    name: "docker.EndpointMeta",
    fields: &[
        Field::optional("Host", "Host", Shape::Str),
        Field::new("SkipTLSVerify", "SkipTLSVerify", Shape::Bool),
    ],
};
const METADATA: Struct = Struct {
    name: "command.DockerContext",
    fields: &[Field::optional("Description", "Description", Shape::Str)],
};
const STORAGE: Struct = Struct {
    name: "store.StorageInfo",
    fields: &[
        Field::new("MetadataPath", "MetadataPath", Shape::Str),
        Field::new("TLSPath", "TLSPath", Shape::Str),
    ],
};
const CONTEXT: Struct = Struct {
    name: "context.contextWithTLSListing",
    fields: &[
        Field::new("Name", "Name", Shape::Str),
        Field::new("Metadata", "Metadata", Shape::Obj(&METADATA)),
        Field::new("Endpoints", "Endpoints", Shape::Map(&Shape::Obj(&ENDPOINT))),
        Field::new("TLSMaterial", "TLSMaterial", Shape::Map(&Shape::Any)),
        Field::new("Storage", "Storage", Shape::Obj(&STORAGE)),
    ],
};
