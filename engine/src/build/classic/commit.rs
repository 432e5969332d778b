//! From a step to an image: config, history, layer.

use bottleship_oci::config::{ContainerConfig, History, ImageConfig, RawConfig};
use bottleship_oci::{DiffId, ImageId};

use super::{Builder, Result, State};
use crate::api::ApiError;
use crate::build::ports::StoredImage;
use crate::clock::random_id;

/// The shell in front of comments.
fn shell_words(config: &ContainerConfig) -> Vec<String> {
    match config.shell.as_deref() {
        None | Some([]) => vec!["/bin/sh".into(), "-c".into()],
        Some(words) => words.to_vec(),
    }
}

/// The configuration of a step that runs nothing: its command is a comment of two words.
pub(super) fn comment_config(config: &ContainerConfig, comment: &str) -> ContainerConfig {
    let mut words = shell_words(config);
    words.push("#(nop) ".into());
    words.push(comment.to_owned());
    ContainerConfig {
        cmd: Some(words),
        ..config.clone()
    }
}

/// The same of WORKDIR, COPY and ADD, whose comment is one word.
pub(super) fn one_word_comment_config(config: &ContainerConfig, comment: &str) -> ContainerConfig {
    let mut words = shell_words(config);
    words.push(format!("#(nop) {comment}"));
    ContainerConfig {
        cmd: Some(words),
        ..config.clone()
    }
}

impl Builder<'_> {
    /// Ends a step that changes only the config.
    pub(super) async fn commit_config(&mut self, state: &mut State, comment: &str) -> Result<()> {
        let config = comment_config(&state.config, comment);
        if self.probe(state, &config).await? {
            return Ok(());
        }
        let id = self.show_container(&config).await?;
        self.make_image(state, config, Some(id), None).await
    }

    /// Looks the step up in the cache; on a hit the stage goes on from that image.
    pub(super) async fn probe(
        &mut self,
        state: &mut State,
        config: &ContainerConfig,
    ) -> Result<bool> {
        let parent = state.image.as_ref().map(StoredImage::id);
        let (hit, outcome) = self
            .prober
            .probe(&*self.ports.images, parent.as_ref(), config);
        *self.outcome.borrow_mut() = outcome;
        let Some(image) = hit else {
            return Ok(false);
        };
        self.output.show(" ---> Using cache\n").await?;
        state.image = Some(image);
        state.note_image();
        Ok(true)
    }

    /// Names the container of a step that runs nothing. A real one is made only where it is to stay.
    async fn show_container(&self, config: &ContainerConfig) -> Result<String> {
        let real = !self.request.remove && !config.image.is_empty();
        let id = if real {
            self.ports
                .containers
                .create(config, &self.request.host)
                .await?
        } else {
            random_id(&*self.ports.entropy)
        };
        self.running_in(&id, real).await?;
        Ok(id)
    }

    pub(super) async fn running_in(&self, id: &str, real: bool) -> Result<()> {
        self.leftovers.borrow_mut().push((id.to_owned(), real));
        let short = id.get(..12).unwrap_or(id);
        let text = format!(" ---> Running in {short}\n");
        Ok(self.output.show(text).await?)
    }

    /// Removes the step's containers, when asked to.
    pub(super) async fn remove_containers(&self, succeeded: bool) -> Result<()> {
        let leftovers = std::mem::take(&mut *self.leftovers.borrow_mut());
        let wanted = self.request.force_remove || (self.request.remove && succeeded);
        if !wanted {
            return Ok(());
        }
        for (id, real) in leftovers {
            if real {
                self.ports.containers.remove(&id).await?;
            }
            let short = id.get(..12).unwrap_or(&id);
            let text = format!("Removing intermediate container {short}\n");
            self.output.show(text).await?;
        }
        Ok(())
    }

    /// Makes the step's image: the state's config, history by `step`'s command, and a layer if there is one.
    pub(super) async fn make_image(
        &self,
        state: &mut State,
        step: ContainerConfig,
        container: Option<String>,
        layer: Option<DiffId>,
    ) -> Result<()> {
        let now = bottleship_oci::time::format(self.ports.clock.now().nanos());
        let parent = state.image.as_ref();
        let base = parent.map(|p| p.config.config.clone());
        let mut image = base.unwrap_or_else(|| ImageConfig {
            architecture: "amd64".into(),
            os: "linux".into(),
            ..ImageConfig::default()
        });
        let command = step.cmd.clone().unwrap_or_default().join(" ");
        image.history.push(History {
            created: Some(now.clone()),
            author: state.maintainer.clone(),
            created_by: command,
            comment: String::new(),
            empty_layer: layer.is_none(),
        });
        image.rootfs.diff_ids.extend(layer);
        let image = ImageConfig {
            author: state.maintainer.clone(),
            comment: String::new(),
            config: Some(state.config.clone()),
            container: container.unwrap_or_default(),
            container_config: Some(step),
            created: Some(now),
            docker_version: self.ports.docker_version.clone(),
            ..image
        };
        let raw = RawConfig::new(image);
        let parent: Option<ImageId> = parent.map(StoredImage::id);
        let id = self.ports.images.register(raw, parent, &[]).await?;
        let made = self.ports.images.find(id.as_str())?;
        state.image = Some(made.ok_or_else(|| ApiError::system(format!("No such image: {id}")))?);
        state.note_image();
        Ok(())
    }
}
