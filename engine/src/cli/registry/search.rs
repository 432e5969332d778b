//! `docker search`: search Docker Hub for images.

use crate::cli::image::pull::with_auth;
use crate::cli::jsonmessage::Documents;
use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["search"],
    usage: "[OPTIONS] TERM",
    about: "Search Docker Hub for images",
    args: Args::Exact(1),
    flags: &[
        Flag::new(
            'f',
            "filter",
            "filter",
            "Filter output based on conditions provided",
        ),
        Flag::long(
            "format",
            "string",
            "Pretty-print search using a Go template",
        ),
        Flag::long("limit", "int", "Max number of search results"),
        Flag::long("no-trunc", "", "Don't truncate output"),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

const TABLE: &str = "table {{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}";
const HEADERS: &[(&str, &str)] = &[
    ("Name", "NAME"),
    ("Description", "DESCRIPTION"),
    ("StarCount", "STARS"),
    ("IsOfficial", "OFFICIAL"),
];

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let filters = parse_filters(&m.list("filter"))?;
    let params = Params::new()
        .filters(&filters)
        .add_if(m.given("limit"), "limit", m.str("limit"))
        .add("term", m.arg(0));
    let auth = cli.registry_auth("docker.io").await;
    let request = with_auth(Request::get(format!("/images/search{params}")), &auth);
    let mut documents = Documents::new(cli.send(request).await?);
    let list = documents.next().await?.unwrap_or(J::Null);
    let format = m.str("format");
    let table = formatter::is_table(format);
    let rows = list
        .as_array()
        .map_or(&[][..], |a| a)
        .iter()
        .map(|r| {
            let description = r.text("description").replace(['\n', '\r'], " ");
            let official = match (table, r.flag("is_official")) {
                (true, true) => "[OK]",
                (true, false) => "",
                (false, true) => "true",
                (false, false) => "false",
            };
            formatter::row(
                "*registry.searchContext",
                vec![
                    ("Name", r.text("name").into()),
                    (
                        "Description",
                        if m.on("no-trunc") {
                            description
                        } else {
                            units::ellipsis(&description, 45)
                        }
                        .into(),
                    ),
                    ("StarCount", r.num("star_count").to_string().into()),
                    ("IsOfficial", official.into()),
                ],
                vec![],
            )
        })
        .collect();
    cli.out(&formatter::render(
        format,
        TABLE,
        &Rows {
            headers: HEADERS,
            rows,
        },
    )?)
    .await;
    Ok(())
}
