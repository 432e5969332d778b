//! `docker container top`: display the running processes of a container.

use crate::cli::prelude::*;
use crate::cli::tabwriter;

/// The command.
pub const COMMAND: Command = Command {
    names: &["container top", "top"],
    usage: "CONTAINER [ps OPTIONS]",
    about: "Display the running processes of a container",
    args: Args::Min(1),
    flags: &[],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let options = m.args[1..].join(" ");
    let params = Params::new().add_if(!options.is_empty(), "ps_args", &options);
    let list = cli
        .get(format!("/containers/{}/top{params}", segment(m.arg(0))))
        .await?;
    let mut text = list.texts("Titles").join("\t");
    text.push('\n');
    for p in list.items("Processes") {
        let cells: Vec<&str> = p
            .as_array()
            .map_or(&[][..], |a| a)
            .iter()
            .filter_map(J::as_str)
            .collect();
        text.push_str(&cells.join("\t"));
        text.push('\n');
    }
    cli.out(&tabwriter::align(&text, 20, 3)).await;
    Ok(())
}
