//! The walk over the fields of all messages.

use std::collections::BTreeMap;
use std::mem::take;

use super::field::{self, Field, Stop, Value};
use super::message::{Message, Text};
use super::rule::Rule;
use super::tensor::{self, Tensor};
use super::{MAX_DEPTH, MAX_TEXT_BYTES};
use crate::scan::rule::{Fault, Verdicts};
use crate::scan::{self, Claims, Described, Header, Scanned, show_counts, spell_counts};
use crate::shown::printable;

/// Domains of operators that ONNX defines.
const DOMAINS: [&[u8]; 6] =
    [b"", b"ai.onnx", b"ai.onnx.ml", b"ai.onnx.preview", b"ai.onnx.preview.training", b"ai.onnx.training"];

/// Checks an ONNX file that is pushed in order, in slices of any size.
#[derive(Debug)]
pub struct Scan {
    byte_count: u64,
    position: u64,
    /// Bytes that came and were not read, from `base` on.
    held: Vec<u8>,
    base: u64,
    /// Bytes of the field that are not looked at.
    skip: u64,
    /// A text that begins at `base`, and its length.
    text: Option<(Text, u64)>,
    /// The messages that the next byte is in, each with the place where it ends.
    open: Vec<(Message, u64)>,
    tensor: Tensor,
    /// Key and value of `external_data`, or domain of a set of operators.
    texts: [Vec<u8>; 2],
    /// The version of a set of operators.
    version: u64,
    model: Model,
    verdicts: Verdicts<Rule>,
}

/// What the file says of itself.
#[derive(Debug, Default)]
struct Model {
    ir_version: Option<u64>,
    graphs: u64,
    opset_version: Option<u64>,
    producer: Option<String>,
    parameters: u64,
    /// Tensors of each type.
    types: BTreeMap<u64, u64>,
}

impl Scan {
    /// A scan of a file of `byte_count` bytes, as the caller says.
    pub fn new(byte_count: u64) -> Self {
        Self {
            byte_count,
            position: 0,
            held: Vec::new(),
            base: 0,
            skip: 0,
            text: None,
            open: vec![(Message::Model, byte_count)],
            tensor: Tensor::new(),
            texts: Default::default(),
            version: 0,
            model: Model::default(),
            verdicts: Verdicts::new(),
        }
    }

    /// Reads all fields that have come. Only bytes that are needed again are copied, and not those of tensors.
    fn advance(&mut self, bytes: &[u8]) -> Result<(), Fault<Rule>> {
        let mut held = take(&mut self.held);
        let mut rest = bytes;
        if !held.is_empty() {
            held.extend_from_slice(bytes);
            rest = &held;
        }
        loop {
            let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(rest.len());
            self.skip -= skipped as u64;
            rest = self.pass(rest, skipped);
            if self.skip > 0 {
                break;
            }
            if let Some((text, length)) = self.text {
                let Some(bytes) = usize::try_from(length).ok().and_then(|length| rest.get(..length)) else {
                    break;
                };
                self.take_text(text, bytes)?;
                self.text = None;
                rest = self.pass(rest, bytes.len());
                continue;
            }
            let Some(&(message, end)) = self.open.last() else { break };
            if self.base == end {
                self.open.pop();
                self.close(message)?;
                continue;
            }
            let beyond =
                || (Rule::FieldLength, format!("a field at {} in a message that ends at {end}", self.base));
            match field::read(rest) {
                Ok((field, len)) if self.base.saturating_add(len as u64) <= end => {
                    rest = self.pass(rest, len);
                    self.take_field(message, end, field)?;
                }
                Err(Stop::More) if self.base.saturating_add(rest.len() as u64) < end => break,
                Ok(_) | Err(Stop::More) => return Err(beyond()),
                Err(Stop::Broken) => return Err((Rule::Field, format!("at offset {}", self.base))),
            }
        }
        self.held = rest.to_vec();
        Ok(())
    }

    /// The bytes behind the first `len`.
    fn pass<'b>(&mut self, bytes: &'b [u8], len: usize) -> &'b [u8] {
        self.base = self.base.saturating_add(len as u64);
        bytes.get(len..).unwrap_or_default()
    }

    /// Takes a field of a message that ends at `end`; its value begins at `base`.
    fn take_field(&mut self, message: Message, end: u64, field: Field) -> Result<(), Fault<Rule>> {
        let length = match field.value {
            Value::Number(number) => return self.take_number(message, field.number, number),
            Value::Fixed(length) | Value::Bytes(length) => length,
        };
        let ends_at = self.base.checked_add(length).filter(|&ends_at| ends_at <= end).ok_or_else(|| {
            (
                Rule::FieldLength,
                format!("{length} bytes from {} on, in a message that ends at {end}", self.base),
            )
        })?;
        let is_counted = matches!(field.value, Value::Bytes(_));
        match (message.inside(field.number), message.text(field.number)) {
            (Some(inside), _) if is_counted => {
                if self.open.len() >= MAX_DEPTH {
                    return Err((Rule::Depth, format!("a message at {}", self.base)));
                }
                self.open.push((inside, ends_at));
                self.begin(message, inside)?;
            }
            (_, Some(_)) if is_counted && length > MAX_TEXT_BYTES => {
                return Err((Rule::Text, format!("{length} bytes from {} on", self.base)));
            }
            (_, Some(text)) if is_counted => self.text = Some((text, length)),
            _ => {
                if message == Message::Tensor && field.number == 9 {
                    self.tensor.raw_data(length)?;
                }
                self.skip = length;
            }
        }
        Ok(())
    }

    /// A message begins inside another.
    fn begin(&mut self, outer: Message, message: Message) -> Result<(), Fault<Rule>> {
        if outer == Message::Model && message == Message::Graph {
            self.model.graphs += 1;
            if self.model.graphs > 1 {
                return Err((Rule::Model, "a second graph".to_owned()));
            }
        }
        if message == Message::Tensor {
            self.tensor = Tensor::new();
        }
        self.texts = Default::default();
        self.version = 0;
        Ok(())
    }

    fn take_number(&mut self, message: Message, field: u64, number: u64) -> Result<(), Fault<Rule>> {
        match (message, field) {
            (Message::Model, 1) if self.model.ir_version.replace(number).is_some() => {
                Err((Rule::Model, "a second ir_version".to_owned()))
            }
            (Message::OperatorSet, 2) => {
                self.version = number;
                Ok(())
            }
            (Message::Tensor, 1) => self.tensor.dimension(number),
            (Message::Tensor, 2) => self.tensor.data_type(number),
            _ => Ok(()),
        }
    }

    fn take_text(&mut self, text: Text, bytes: &[u8]) -> Result<(), Fault<Rule>> {
        match text {
            Text::Domain => {
                if !DOMAINS.contains(&bytes) {
                    self.verdicts.warn(Rule::Domain, printable(bytes, 64).to_string());
                }
                self.texts[0] = bytes.to_vec();
            }
            Text::Producer => self.model.producer = Some(String::from_utf8_lossy(bytes).into_owned()),
            Text::Key => self.texts[0] = bytes.to_vec(),
            Text::Value => self.texts[1] = bytes.to_vec(),
            Text::Dimensions => {
                let mut rest = bytes;
                while !rest.is_empty() {
                    let broken = |_| (Rule::Field, format!("packed dimensions at {}", self.base));
                    let (side, len) = field::varint(rest).map_err(broken)?;
                    self.tensor.dimension(side)?;
                    rest = rest.get(len..).unwrap_or_default();
                }
            }
        }
        Ok(())
    }

    /// Checks a message at its end.
    fn close(&mut self, message: Message) -> Result<(), Fault<Rule>> {
        let outer = self.open.last().map(|(outer, _)| *outer);
        match message {
            Message::OperatorSet
                if outer == Some(Message::Model) && DOMAINS[..2].contains(&&*self.texts[0]) =>
            {
                self.model.opset_version.get_or_insert(self.version);
            }
            Message::External => {
                let [key, value] = take(&mut self.texts);
                self.tensor.external(&key, &value)?;
                self.verdicts
                    .warn(Rule::External, format!("{} {}", printable(&key, 64), printable(&value, 64)));
            }
            Message::Tensor => {
                let (data_type, elements) = self.tensor.end()?;
                if self.tensor.is_of_unknown_type() {
                    self.verdicts.warn(Rule::TensorType, data_type.to_string());
                }
                *self.model.types.entry(data_type).or_default() += 1;
                self.model.parameters = self.model.parameters.saturating_add(elements);
            }
            Message::Model if self.model.ir_version.is_none() || self.model.graphs == 0 => {
                let found = format!("{} graphs, ir_version {:?}", self.model.graphs, self.model.ir_version);
                return Err((Rule::Model, found));
            }
            _ => {}
        }
        Ok(())
    }
}

impl Model {
    fn claims(&self) -> Claims {
        let types = spell_counts(self.types.iter().map(|(number, count)| (number, *count)));
        let claims = [
            ("onnx.ir_version", self.ir_version.map(|version| version.to_string())),
            ("onnx.opset_version", self.opset_version.map(|version| version.to_string())),
            ("onnx.tensor_count", Some(self.types.values().sum::<u64>().to_string())),
            ("onnx.parameter_count", Some(self.parameters.to_string())),
            ("onnx.tensor_types", Some(types).filter(|types| !types.is_empty())),
        ];
        claims.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }

    fn summary(&self) -> Vec<(&'static str, String)> {
        let tensors = show_counts(self.types.iter().map(|(&number, &count)| {
            let name = tensor::known(number).map(|(name, _)| name.to_owned());
            (name.unwrap_or_else(|| format!("type {number}")), count)
        }));
        let mut summary = vec![("parameters", self.parameters.to_string()), ("tensors", tensors)];
        summary.extend(self.opset_version.map(|version| ("opset", version.to_string())));
        summary.extend(self.producer.clone().map(|producer| ("producer", producer)));
        summary
    }
}

impl scan::Scan for Scan {
    fn push(&mut self, bytes: &[u8]) {
        self.position = self.position.saturating_add(bytes.len() as u64);
        if self.verdicts.has_failed() {
            return;
        }
        if let Err(fault) = self.advance(bytes) {
            self.verdicts.fail(fault);
        }
    }

    fn header(&self) -> Option<Header> {
        let said = || Header {
            summary: self.model.summary(),
            claims: self.model.claims(),
            model: Described::default(),
        };
        (self.open.is_empty() && !self.verdicts.has_failed()).then(said)
    }

    fn finish(mut self: Box<Self>) -> Scanned {
        if self.position != self.byte_count {
            self.verdicts.fail((Rule::FileLength, format!("{} bytes of {}", self.position, self.byte_count)));
        } else if let Err(fault) = self.advance(&[]) {
            // A file of no byte was never pushed.
            self.verdicts.fail(fault);
        }
        let header = self.header().unwrap_or_default();
        Scanned { report: self.verdicts.report(), header }
    }
}
