//! `docker image rm`: remove one or more images.

use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["image rm", "image remove", "rmi"],
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    about: "Remove one or more images",
    args: Args::Min(1),
    flags: &[
        Flag::new('f', "force", "", "Force removal of the image"),
        Flag::long("no-prune", "", "Do not delete untagged parents"),
        Flag::long(
            "platform",
            "strings",
            "Remove only the given platform variant. Formatted as \"os[/arch[/variant]]\" (e.g., \"linux/amd64\")",
        ),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let (mut errors, mut fatal) = (Vec::new(), false);
    for image in &m.args {
        let params = Params::new().add_if(m.on("force"), "force", "1").add_if(
            m.on("no-prune"),
            "noprune",
            "1",
        );
        match cli
            .delete(format!("/images/{}{params}", segment(image)))
            .await
        {
            Ok(answer) => {
                cli.out(&deleted(answer.as_array().map_or(&[][..], |a| a), true))
                    .await
            }
            Err(e) => {
                fatal |= !e.not_found();
                errors.push(e.to_string());
            }
        }
    }
    if errors.is_empty() {
        return Ok(());
    }
    if !m.on("force") || fatal {
        return Err(Failure::new(errors.join("\n")));
    }
    cli.err(&format!("{}\n", errors.join("\n"))).await;
    Ok(())
}

/// Lines for what was untagged and deleted.
pub fn deleted(items: &[J], capital: bool) -> String {
    let mut out = String::new();
    for d in items {
        let (word, what) = match d.text("Deleted") {
            "" => (
                if capital { "Untagged" } else { "untagged" },
                d.text("Untagged"),
            ),
            id => (if capital { "Deleted" } else { "deleted" }, id),
        };
        out.push_str(&format!("{word}: {what}\n"));
    }
    out
}
