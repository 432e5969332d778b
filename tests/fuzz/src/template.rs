//! Templates of strangers over a document like those that `inspect` shows.
#![no_main]

use bottleship_gotmpl::{MissingKey, Template, Value};

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(template) = Template::parse("", text) {
        let document = serde_json::json!({
            "ID": "sha256:4e56", "Names": ["/a", "/b"], "State": {"Running": true, "Pid": 7, "Load": 0.5},
            "Labels": {"k": "v"}, "Mounts": null,
        });
        let _ = template.execute(&Value::from(&document), MissingKey::default());
    }
});
