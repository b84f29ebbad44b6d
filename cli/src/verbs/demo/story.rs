//! Prints the demo: numbered steps on stdout, or one event a line under `--json`.

use std::cell::Cell;

use serde_json::json;

use crate::failure::Failure;
use crate::printer::{Line, Tone};
use crate::settings::Context;

/// Printer of the demo.
pub(super) struct Story<'a> {
    context: &'a Context,
    number: Cell<u32>,
}

impl<'a> Story<'a> {
    pub(super) fn new(context: &'a Context) -> Self {
        Self { context, number: Cell::new(0) }
    }

    pub(super) fn title(&self, text: &str) -> Result<(), Failure> {
        let gap = if self.number.get() == 0 { "" } else { "\n" };
        self.tell("title", text, Line::default().with(Tone::Strong, format!("{gap}{text}")))
    }

    pub(super) fn step(&self, text: &str) -> Result<(), Failure> {
        let number = self.number.get() + 1;
        self.number.set(number);
        let line = Line::default().with(Tone::Strong, format!("\n{number}. ")).with(Tone::Plain, text);
        self.tell("step", text, line)
    }

    pub(super) fn say(&self, text: &str) -> Result<(), Failure> {
        self.tell("line", text, Line::from(format!("   {text}")))
    }

    fn tell(&self, kind: &str, text: &str, line: Line) -> Result<(), Failure> {
        if self.context.printer.is_json() {
            return self.context.printer.event("demo", json!({"kind": kind, "text": text}));
        }
        self.context.printer.answer(line)
    }
}
