//! What a file says of its model: names, license, base model.

use std::collections::BTreeMap;

use super::value::Value;
use crate::scan::Described;

/// The keys that say it.
pub(super) const KEYS: [&str; 9] = [
    "general.name",
    "general.version",
    "general.file_type",
    "general.license",
    "general.license.link",
    "general.base_model.0.name",
    "general.base_model.0.organization",
    "general.base_model.0.repo_url",
    "general.base_model.0.version",
];

/// Names of `general.file_type`, by number, as `llama.h` has them; no name stands where a type was removed.
const FILE_TYPES: [&str; 39] = [
    "F32", "F16", "Q4_0", "Q4_1", "", "", "", "Q8_0", "Q5_0", "Q5_1", "Q2_K", "Q3_K_S", "Q3_K_M", "Q3_K_L",
    "Q4_K_S", "Q4_K_M", "Q5_K_S", "Q5_K_M", "Q6_K", "IQ2_XXS", "IQ2_XS", "Q2_K_S", "IQ3_XS", "IQ3_XXS",
    "IQ1_S", "IQ4_NL", "IQ3_S", "IQ3_M", "IQ2_S", "IQ2_M", "IQ4_XS", "IQ1_M", "BF16", "", "", "", "TQ1_0",
    "TQ2_0", "MXFP4",
];

/// What the values of these keys say.
pub(super) fn model(values: &BTreeMap<String, Value>) -> Described {
    let text = |key: &str| match values.get(key) {
        Some(Value::Text(text)) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        _ => None,
    };
    let of_base = |part: &str| text(&format!("general.base_model.0.{part}"));
    let quantization = match values.get("general.file_type") {
        Some(Value::Number(number)) => {
            usize::try_from(*number).ok().and_then(|number| FILE_TYPES.get(number))
        }
        _ => None,
    };
    Described {
        name: text("general.name"),
        version: text("general.version"),
        quantization: quantization.copied().filter(|name| !name.is_empty()),
        license: text("general.license"),
        license_link: text("general.license.link"),
        base_model: of_base("repo_url").or_else(|| {
            let name = of_base("name")?;
            Some(of_base("organization").map_or_else(|| name.clone(), |by| format!("{by}/{name}")))
        }),
        base_version: of_base("version"),
    }
}
