//! Radio access types: codes of two protocols, and words.

use std::borrow::Cow;

/// How a SIM was connected, as a record says it: a code or words, without space around them; empty when unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RadioAccess(String);

impl RadioAccess {
    /// As sent.
    pub fn new(sent: &str) -> Self {
        Self(sent.trim().to_owned())
    }

    /// As sent.
    pub fn as_sent(&self) -> &str {
        &self.0
    }

    /// In readable words: what codes mean, words as sent. A code that has no meaning reads `Unknown (n)`.
    pub fn words(&self) -> Cow<'_, str> {
        self.read(|code| first(code).or_else(|| later(code)))
    }

    /// In the words of the first table of codes, which will never know more. What the content of a record is compared by is made of these: a
    /// record that was accepted when a code had no meaning is the same one when it is sent again.
    pub fn first_words(&self) -> Cow<'_, str> {
        self.read(first)
    }

    fn read(&self, meaning: fn(&str) -> Option<&'static str>) -> Cow<'_, str> {
        let sent = self.as_sent();
        if sent.is_empty() || !sent.bytes().all(|byte| byte.is_ascii_digit()) {
            return sent.into();
        }
        match meaning(sent) {
            Some(words) => words.into(),
            None => format!("Unknown ({sent})").into(),
        }
    }
}

/// Codes of GTPv2 (3GPP TS 29.274 §8.17) that were known first. Nothing is added here.
fn first(code: &str) -> Option<&'static str> {
    Some(match code {
        "1" => "3G",
        "2" => "2G",
        "3" => "WLAN",
        "6" => "LTE",
        "8" => "NB-IoT",
        "9" => "LTE-M",
        "10" => "5G NR",
        _ => return None,
    })
}

/// The others of GTPv2, and those of Diameter (3GPP TS 29.212 §5.3.31) from 1000 on; lower ones of Diameter mean something else in GTPv2.
fn later(code: &str) -> Option<&'static str> {
    Some(match code {
        "4" | "1002" => "GAN",
        "5" | "1003" => "HSPA+",
        "7" => "Virtual",
        "11" | "1011" => "LTE (LEO)",
        "12" | "1012" => "LTE (MEO)",
        "13" | "1013" => "LTE (GEO)",
        "14" | "1014" => "LTE (other satellite)",
        "15" | "1021" => "NB-IoT (LEO)",
        "16" | "1022" => "NB-IoT (MEO)",
        "17" | "1023" => "NB-IoT (GEO)",
        "18" | "1024" => "NB-IoT (other satellite)",
        "19" | "1031" => "LTE-M (LEO)",
        "20" | "1032" => "LTE-M (MEO)",
        "21" | "1033" => "LTE-M (GEO)",
        "22" | "1034" => "LTE-M (other satellite)",
        "1000" => "3G",
        "1001" => "2G",
        "1004" => "LTE",
        "1005" => "NB-IoT",
        "1006" => "5G NR",
        "1007" => "LTE-M",
        "1008" => "5G NR-U",
        "1035" => "5G NR (LEO)",
        "1036" => "5G NR (MEO)",
        "1037" => "5G NR (GEO)",
        "1038" => "5G NR (other satellite)",
        "1039" => "5G NR RedCap",
        "1040" => "5G NR eRedCap",
        "2000" => "CDMA2000 1X",
        "2001" => "HRPD",
        "2002" => "UMB",
        "2003" => "eHRPD",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(sent: &str) -> String {
        RadioAccess::new(sent).words().into_owned()
    }

    #[test]
    fn codes_are_read_and_words_are_as_sent() {
        for (sent, expected) in [
            ("1", "3G"),
            ("6", "LTE"),
            (" 10 ", "5G NR"),
            ("4", "GAN"),
            ("22", "LTE-M (other satellite)"),
            ("1004", "LTE"),
            ("2003", "eHRPD"),
            ("0", "Unknown (0)"),
            ("23", "Unknown (23)"),
            ("06", "Unknown (06)"),
            ("1009", "Unknown (1009)"),
            ("LTE Cat 1", "LTE Cat 1"),
            ("-6", "-6"),
            ("", ""),
        ] {
            assert_eq!(words(sent), expected, "{sent}");
        }
    }

    #[test]
    fn both_protocols_have_one_word_for_one_thing() {
        for (gtp, diameter) in [
            (1, 1000),
            (2, 1001),
            (6, 1004),
            (8, 1005),
            (10, 1006),
            (9, 1007),
        ] {
            assert_eq!(words(&gtp.to_string()), words(&diameter.to_string()));
        }
    }

    #[test]
    fn the_first_table_never_knows_more() {
        let known: Vec<String> = (0..3_000)
            .map(|code| {
                RadioAccess::new(&code.to_string())
                    .first_words()
                    .into_owned()
            })
            .filter(|words| !words.starts_with("Unknown"))
            .collect();
        assert_eq!(
            known,
            ["3G", "2G", "WLAN", "LTE", "NB-IoT", "LTE-M", "5G NR"]
        );
        assert_eq!(RadioAccess::new("4").first_words(), "Unknown (4)");
        assert_eq!(RadioAccess::new("GAN").first_words(), "GAN");
    }
}
