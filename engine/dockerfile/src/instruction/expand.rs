//! Variable expansion of instructions: which parts of which are expanded, and how.

use super::mount::Mount;
use super::{Copy, Kind, Sources};
use crate::error::Result;

/// Expands one word.
pub type Expand<'a> = &'a mut dyn FnMut(&str) -> Result<String>;

impl Mount {
    /// Reads what is needed before expansion.
    pub(super) fn parse_deferred(value: &str) -> Result<Mount> {
        Mount::parse(value, None)
    }
}

impl Kind {
    /// Expands `$` in the instruction, in place. ARG is left alone: whether its default counts depends on the
    /// build arguments.
    ///
    /// # Errors
    /// What `expand` says, and RUN mounts that are wrong once expanded.
    pub fn expand_words(&mut self, expand: Expand<'_>) -> Result<()> {
        match self {
            Kind::Env(pairs) | Kind::Label(pairs) => {
                for pair in pairs {
                    pair.key = expand(&pair.key)?;
                    pair.value = expand(&pair.value)?;
                }
            }
            Kind::Add(add) => {
                add.checksum = expand(&add.checksum)?;
                add.sources.expand(expand)?;
            }
            Kind::Copy(Copy { sources, .. }) => sources.expand(expand)?,
            Kind::Run(run) => {
                run.mounts = run
                    .mount_flags
                    .iter()
                    .map(|value| Mount::parse(value, Some(&mut *expand)))
                    .collect::<Result<_>>()?;
            }
            Kind::StopSignal(text) | Kind::User(text) | Kind::Workdir(text) => {
                *text = expand(text)?;
            }
            Kind::Volume(volumes) => {
                for volume in volumes {
                    *volume = expand(volume)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Expands here-documents of ADD and COPY, where quotes mean nothing.
    ///
    /// # Errors
    /// What `expand` says.
    pub fn expand_raw(&mut self, expand: Expand<'_>) -> Result<()> {
        let sources = match self {
            Kind::Add(add) => &mut add.sources,
            Kind::Copy(copy) => &mut copy.sources,
            _ => return Ok(()),
        };
        for content in &mut sources.contents {
            if content.expand {
                content.data = expand(&content.data)?;
            }
        }
        Ok(())
    }
}

impl Sources {
    fn expand(&mut self, expand: Expand<'_>) -> Result<()> {
        self.chown = expand(&self.chown)?;
        self.chmod = expand(&self.chmod)?;
        for pattern in &mut self.exclude {
            *pattern = expand(pattern)?;
        }
        for path in &mut self.paths {
            *path = expand(path)?;
        }
        self.dest = expand(&self.dest)?;
        Ok(())
    }
}
