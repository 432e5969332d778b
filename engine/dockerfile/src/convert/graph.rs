//! The graph under construction. Steps are added freely; at the end those the result needs are taken out, equal
//! ones once.

use std::collections::HashMap;

use super::plan::{FileAction, Op, Source, Step};

/// A step under construction; its `inputs` are [`NodeId`]s.
pub(super) type NodeId = usize;

/// The graph. Node 0 is the build context.
pub(super) struct Graph {
    nodes: Vec<Step>,
}

impl Graph {
    pub(super) const CONTEXT: NodeId = 0;

    pub(super) fn new() -> Self {
        let context = Step {
            name: "[internal] load build context".into(),
            inputs: Vec::new(),
            op: Op::Source(Source::Context { paths: Vec::new() }),
            location: None,
            ignore_cache: false,
        };
        Graph {
            nodes: vec![context],
        }
    }

    pub(super) fn set_context_paths(&mut self, paths: Vec<String>) {
        self.nodes[Self::CONTEXT].op = Op::Source(Source::Context { paths });
    }

    pub(super) fn add(&mut self, step: Step) -> NodeId {
        self.nodes.push(step);
        self.nodes.len() - 1
    }

    /// A step that only makes a file, in an empty tree.
    pub(super) fn inline_file(&mut self, name: &str, mode: u32, data: &str) -> NodeId {
        self.add(Step {
            name: "[internal] preparing inline document".into(),
            inputs: Vec::new(),
            op: Op::File {
                input: None,
                actions: vec![FileAction::Mkfile {
                    path: crate::path::join("/", name),
                    mode,
                    data: data.as_bytes().to_vec(),
                }],
            },
            location: None,
            ignore_cache: false,
        })
    }

    /// The steps `result` needs, inputs first, and where it is among them.
    pub(super) fn finish(self, result: Option<NodeId>) -> (Vec<Step>, Option<usize>) {
        let mut order = Order {
            nodes: &self.nodes,
            placed: vec![None; self.nodes.len()],
            steps: Vec::new(),
            known: HashMap::new(),
        };
        let result = result.map(|node| order.place(node));
        (order.steps, result)
    }
}

struct Order<'a> {
    nodes: &'a [Step],
    placed: Vec<Option<usize>>,
    steps: Vec<Step>,
    /// Steps already placed, by what they do; a step done twice is one step, with the later one's name.
    known: HashMap<(Op, Vec<usize>), usize>,
}

impl Order<'_> {
    fn place(&mut self, root: NodeId) -> usize {
        // A stack of its own: a chain of steps is as long as the Dockerfile.
        let mut stack = vec![(root, 0)];
        while let Some((node, next)) = stack.pop() {
            if self.placed[node].is_some() {
                continue;
            }
            let step = &self.nodes[node];
            if let Some(&input) = step.inputs.get(next) {
                stack.push((node, next + 1));
                stack.push((input, 0));
                continue;
            }
            let inputs: Vec<usize> = step
                .inputs
                .iter()
                .map(|&input| self.placed[input].unwrap_or_default())
                .collect();
            let key = (step.op.clone(), inputs.clone());
            let index = match self.known.get(&key) {
                Some(&index) => {
                    self.steps[index].name.clone_from(&step.name);
                    index
                }
                None => {
                    self.steps.push(Step {
                        inputs,
                        ..step.clone()
                    });
                    self.known.insert(key, self.steps.len() - 1);
                    self.steps.len() - 1
                }
            };
            self.placed[node] = Some(index);
        }
        self.placed[root].unwrap_or_default()
    }
}

/// Collects the inputs of one step, each once.
#[derive(Default)]
pub(super) struct Inputs(pub(super) Vec<NodeId>);

impl Inputs {
    /// The index of `node` among the inputs.
    pub(super) fn index(&mut self, node: Option<NodeId>) -> Option<usize> {
        let node = node?;
        Some(match self.0.iter().position(|&n| n == node) {
            Some(at) => at,
            None => {
                self.0.push(node);
                self.0.len() - 1
            }
        })
    }
}
