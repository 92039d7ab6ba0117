//! The effective configuration as text.

use anyhow::{Context as _, Result};

use super::{
    Config,
    section::{Docs, SECTIONS},
};

impl Config {
    /// The effective configuration as TOML, each knob with its documentation, secrets masked.
    ///
    /// # Errors
    /// When a value has no TOML form.
    pub fn render(&self) -> Result<String> {
        let values = toml::Table::try_from(self).context("the configuration has no TOML form")?;
        let mut text = String::new();
        render_section(&mut text, Self::DOCS, &values);
        for (name, docs) in SECTIONS {
            if let Some(toml::Value::Table(values)) = values.get(*name) {
                text += &["[", name, "]\n"].concat();
                render_section(&mut text, docs, values);
            }
        }
        Ok(text.trim_end().to_owned() + "\n")
    }
}

fn render_section(text: &mut String, docs: Docs, values: &toml::Table) {
    for (name, lines) in docs {
        if SECTIONS.iter().any(|(section, _)| section == name) {
            continue;
        }
        for line in *lines {
            *text += &["#", line, "\n"].concat();
        }
        let line = match values.get(*name) {
            Some(value) => format!("{name} = {value}\n\n"),
            None => format!("# {name} is not set\n\n"),
        };
        text.push_str(&line);
    }
}
