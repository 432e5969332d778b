//! `docker image ls`: list images.

use crate::cli::prelude::*;
use bottleship_gotmpl::Value;
use bottleship_oci::Reference;

/// The command.
pub const COMMAND: Command = Command {
    names: &["image ls", "image list", "images"],
    usage: "[OPTIONS] [REPOSITORY[:TAG]]",
    about: "List images",
    args: Args::Max(1),
    flags: &[
        Flag::new(
            'a',
            "all",
            "",
            "Show all images (default hides intermediate images)",
        ),
        Flag::long("digests", "", "Show digests"),
        Flag::new(
            'f',
            "filter",
            "filter",
            "Filter output based on conditions provided",
        ),
        Flag::long("format", "string", FORMAT_TABLE),
        Flag::long("no-trunc", "", "Don't truncate output"),
        Flag::new('q', "quiet", "", "Only show image IDs"),
        Flag::long(
            "tree",
            "",
            "List multi-platform images as a tree (EXPERIMENTAL)",
        ),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

const CREATED: &str = "{{if .CreatedSince }}{{.CreatedSince}}{{else}}N/A{{end}}";

/// Fields and headings.
pub const HEADERS: &[(&str, &str)] = &[
    ("ID", "IMAGE ID"),
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("Digest", "DIGEST"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Size", "SIZE"),
    ("Containers", "CONTAINERS"),
    ("VirtualSize", "SIZE"),
    ("SharedSize", "SHARED SIZE"),
    ("UniqueSize", "UNIQUE SIZE"),
];

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    if m.on("tree") {
        return Err(Failure::new("Bottleship does not support --tree"));
    }
    let mut format = m.str("format").to_string();
    if format.is_empty() && !m.on("quiet") {
        format = cli.load_config().await.text("imagesFormat").to_string();
    }
    let mut filters = parse_filters(&m.list("filter"))?;
    if !m.args.is_empty() {
        filters.push(("reference".into(), m.arg(0).to_string()));
    }
    let params = Params::new()
        .add_if(m.on("all"), "all", "1")
        .filters(&filters);
    let list = cli.get(format!("/images/json{params}")).await?;
    let images = list.as_array().map_or(&[][..], |a| a);
    let digests = m.on("digests") && !m.on("quiet");
    let table = if digests {
        format!(
            "table {{{{.Repository}}}}\t{{{{.Tag}}}}\t{{{{.Digest}}}}\t{{{{.ID}}}}\t{CREATED}\t{{{{.Size}}}}"
        )
    } else {
        format!("table {{{{.Repository}}}}\t{{{{.Tag}}}}\t{{{{.ID}}}}\t{CREATED}\t{{{{.Size}}}}")
    };
    if m.on("quiet") && formatter::is_table(&format) {
        format = "{{.ID}}".into();
    }
    if format == "raw" {
        let digest = if digests { "digest: {{.Digest}}\n" } else { "" };
        format = format!(
            "repository: {{{{.Repository}}}}\ntag: {{{{.Tag}}}}\n{digest}image_id: {{{{.ID}}}}\ncreated_at: {{{{.CreatedAt}}}}\nvirtual_size: {{{{.Size}}}}\n"
        );
        if m.on("quiet") {
            format = "image_id: {{.ID}}".into();
        }
    }
    let wanted = digests || format.contains("{{.Digest}}");
    let truncate = !m.on("no-trunc");
    let rows = images
        .iter()
        .flat_map(|i| {
            references(i, wanted, digests)
                .into_iter()
                .map(move |r| (i, r))
        })
        .map(|(i, (repo, tag, digest))| row(cli, i, truncate, &repo, &tag, &digest))
        .collect();
    cli.out(&formatter::render(
        &format,
        &table,
        &Rows {
            headers: HEADERS,
            rows,
        },
    )?)
    .await;
    if images.is_empty() && m.args.len() == 1 {
        const VERBS: [&str; 12] = [
            "build", "history", "import", "inspect", "load", "ls", "prune", "pull", "push", "rm",
            "save", "tag",
        ];
        if VERBS.contains(&m.arg(0)) {
            cli.err(&format!(
                "\nNo images found matching \"{0}\": did you mean \"docker image {0}\"?\n",
                m.arg(0)
            ))
            .await;
        }
    }
    Ok(())
}

const NONE: &str = "<none>";

/// The rows an image has: repository, tag and digest of each.
fn references(i: &J, wanted: bool, by_digest: bool) -> Vec<(String, String, String)> {
    let (tags, digests) = (i.texts("RepoTags"), i.texts("RepoDigests"));
    let none = |s: &str| s.to_string();
    if (tags.is_empty() && digests.is_empty())
        || (tags == ["<none>:<none>"] && digests == ["<none>@<none>"])
    {
        return vec![(none(NONE), none(NONE), none(NONE))];
    }
    let split: Vec<(String, String)> = digests
        .iter()
        .filter_map(|d| Reference::parse(d).ok())
        .filter_map(|r| r.digest().map(|d| (r.familiar_name(), d.to_string())))
        .collect();
    let mut rows = Vec::new();
    let mut tagged = Vec::new();
    for r in tags.iter().filter_map(|t| Reference::parse(t).ok()) {
        let (repo, tag) = (r.familiar_name(), r.tag().unwrap_or(NONE).to_string());
        let own: Vec<&String> = split
            .iter()
            .filter(|(n, _)| *n == repo)
            .map(|(_, d)| d)
            .collect();
        if own.is_empty() || !wanted {
            rows.push((repo.clone(), tag, none(NONE)));
        } else {
            rows.extend(
                own.into_iter()
                    .map(|d| (repo.clone(), tag.clone(), d.clone())),
            );
        }
        tagged.push(repo);
    }
    let mut last = String::new();
    for (repo, digest) in split {
        if tagged.contains(&repo) || (!by_digest && repo == last) {
            continue;
        }
        last = repo.clone();
        rows.push((
            repo,
            none(NONE),
            if by_digest { digest } else { String::new() },
        ));
    }
    rows
}

/// An image as a row.
pub fn row(cli: &Cli<'_>, i: &J, truncate: bool, repo: &str, tag: &str, digest: &str) -> Value {
    let id = i.text("Id");
    let created = i.num("Created");
    let size = i.num("Size");
    let known = |name: &str| i.at(name).as_i64().filter(|n| *n != -1);
    let (containers, shared) = (known("Containers"), known("SharedSize"));
    let na = || "N/A".to_string();
    formatter::row(
        "*formatter.imageContext",
        vec![
            ("ID", if truncate { units::short_id(id) } else { id }.into()),
            ("Repository", repo.into()),
            ("Tag", tag.into()),
            ("Digest", digest.into()),
            (
                "CreatedSince",
                if created <= 0 {
                    String::new()
                } else {
                    units::ago(cli.host.now(), created)
                }
                .into(),
            ),
            ("CreatedAt", units::go_time(created, 0).into()),
            ("Size", units::human_size(size as f64, 3).into()),
            (
                "Containers",
                containers.map_or_else(na, |n| n.to_string()).into(),
            ),
            ("VirtualSize", units::human_size(size as f64, 4).into()),
            (
                "SharedSize",
                shared
                    .map_or_else(na, |n| units::human_size(n as f64, 4))
                    .into(),
            ),
            (
                "UniqueSize",
                shared
                    .map_or_else(na, |n| units::human_size((size - n) as f64, 4))
                    .into(),
            ),
        ],
        vec![],
    )
}
