use serde_json::json;

use super::*;
use crate::testing::Fake;
use crate::variant::Seed;

const LESSON: &str = r#"---
title: Two images
summary: Layers are shared.
minutes: 5
tasks:
  pull:
    title: Pull `redis`
    points: 2
    check: {image: redis}
    hints:
      - Use `docker pull`.
      - says: "`reddis` has one d too many."
        when: {image: reddis}
    solution: docker pull redis
    wrong: docker pull redis:7
  run:
    title: Run it
    check: {container: {name: cache, state: running}}
    solution: docker run -d --name cache redis
  look:
    title: List images
    needs: [pull]
    check: {command: "docker images*"}
    solution: docker image ls
---
# Two images

<!-- task pull -->

What is `redis`?

- [x] an image

  > Yes.

- [ ] a container
"#;

fn evaluate(session: &mut Session, world: &Fake) -> State {
    futures::executor::block_on(session.evaluate(world, 5))
}

fn stages(state: &State) -> Vec<Stage> {
    state.tasks.iter().map(|task| task.stage).collect()
}

#[test]
fn tasks_tick_when_the_state_is_right() {
    use Stage::{Done, Now, Skipped, Waiting};
    let world = Fake::default();
    let lesson = Lesson::parse(LESSON, &Seed::default()).unwrap();
    let mut session = Session::new(lesson, Progress::default());
    session.start(1);
    let state = evaluate(&mut session, &world);
    assert_eq!(stages(&state), [Now, Waiting, Waiting]);
    assert_eq!(
        state.tasks[0].checks[0].why.as_deref(),
        Some("No image is called `redis` here.")
    );

    world.set("/images/json", json!([{"RepoTags": ["reddis:latest"]}]));
    world.set("/images/reddis:latest/json", json!({"Id": "sha256:a"}));
    let state = evaluate(&mut session, &world);
    assert_eq!(state.tasks[0].nudges.len(), 1);
    assert_eq!(state.tasks[0].more_hints, 1);
    assert!(session.hint("pull", 2).is_some() && session.hint("pull", 2).is_none());

    world.set("/images/redis:latest/json", json!({"Id": "sha256:a"}));
    world.entered("docker image ls", 0);
    let state = evaluate(&mut session, &world);
    assert_eq!(state.news, ["pull", "look"], "one look opens the next task");
    assert_eq!(stages(&state), [Done, Now, Done]);
    assert_eq!(
        (state.points, state.of_points, state.finished),
        (3, 4, false)
    );

    // Done stays done.
    world.documents.borrow_mut().clear();
    assert_eq!(stages(&evaluate(&mut session, &world)), [Done, Now, Done]);
    assert!(session.skip("run", 7) && !session.skip("run", 7) && !session.skip("pull", 7));
    let state = evaluate(&mut session, &world);
    assert_eq!(stages(&state), [Done, Skipped, Done]);
    assert!(state.finished && state.points == 3);

    // What is kept gives the same.
    let kept = serde_json::to_string(session.progress()).unwrap();
    let again = Session::new(
        session.lesson().clone(),
        serde_json::from_str(&kept).unwrap(),
    );
    assert_eq!(again.state(), session.state());
    session.start(9);
    assert_eq!(stages(&session.state()), [Now, Waiting, Waiting]);
}

#[test]
fn a_question_is_answered() {
    let lesson = Lesson::parse(LESSON, &Seed::default()).unwrap();
    let mut session = Session::new(lesson, Progress::default());
    assert_eq!(session.state().quizzes, [QuizState::Open]);
    assert!(!session.answer(0, &[1], 1).unwrap().right);
    assert!(!session.answer(0, &[0, 1], 1).unwrap().right);
    assert_eq!(session.state().quizzes, [QuizState::Wrong]);
    let reply = session.answer(0, &[0], 1).unwrap();
    assert!(reply.right && reply.says.len() == 1);
    assert_eq!(session.state().quizzes, [QuizState::Right]);
    assert!(session.answer(1, &[0], 1).is_err() && session.answer(0, &[2], 1).is_err());
}

#[test]
fn events_do_not_grow_for_ever() {
    let lesson = Lesson::parse(LESSON, &Seed::default()).unwrap();
    let mut session = Session::new(lesson, Progress::default());
    for at in 0..MAX_EVENTS as u64 + 10 {
        let _ = session.answer(0, &[0], at);
    }
    assert_eq!(session.progress().events.len(), MAX_EVENTS);
}

#[test]
fn the_model_tells_no_answer() {
    let lesson = Lesson::parse(LESSON, &Seed::default()).unwrap();
    let json = serde_json::to_string(&lesson.model()).unwrap();
    assert!(json.contains("\"type\":\"quiz\"") && json.contains("\"goals\""));
    assert!(
        !json.contains("right") && !json.contains("Yes.") && !json.contains("docker pull"),
        "{json}"
    );
}
