//! Where the fleet lives: five countries and their real networks (ITU-T E.212), for SMT-09.

/// A country and its networks, the biggest first.
pub(crate) struct Country {
    /// Relative share of the fleet.
    pub(crate) weight: u64,
    /// MCC, and each MNC as text with its operator.
    pub(crate) mcc: &'static str,
    pub(crate) mncs: &'static [(&'static str, &'static str)],
}

/// Denmark, Norway, Sweden, the Netherlands, Germany.
pub(crate) const COUNTRIES: [Country; 5] = [
    Country {
        weight: 15,
        mcc: "238",
        mncs: &[
            ("01", "TDC"),
            ("02", "Telenor"),
            ("20", "Telia"),
            ("06", "3"),
        ],
    },
    Country {
        weight: 15,
        mcc: "242",
        mncs: &[("01", "Telenor"), ("02", "Telia")],
    },
    Country {
        weight: 20,
        mcc: "240",
        mncs: &[
            ("01", "Telia"),
            ("02", "3"),
            ("07", "Tele2"),
            ("08", "Telenor"),
        ],
    },
    Country {
        weight: 20,
        mcc: "204",
        mncs: &[("08", "KPN"), ("04", "Vodafone"), ("16", "T-Mobile")],
    },
    Country {
        weight: 30,
        mcc: "262",
        mncs: &[("01", "Telekom"), ("02", "Vodafone"), ("03", "Telefonica")],
    },
];

/// Radio access types in readable words, with their 3GPP TS 29.274 code.
pub(crate) const RATS: [(&str, &str); 5] = [
    ("LTE", "6"),
    ("LTE-M", "9"),
    ("NB-IoT", "8"),
    ("5G NR", "10"),
    ("3G", "1"),
];

/// Customers of a simulated fleet.
pub(crate) const CUSTOMERS: [&str; 8] = [
    "Nordwind Logistik",
    "Fjord Energi",
    "Kanaal Mobiliteit",
    "Oresund Retail",
    "Alpen Sensorik",
    "Polder Agri",
    "Skog Maskiner",
    "Hansa Metering",
];

/// Customers of the demo fleet.
pub(crate) const DEMO_CUSTOMERS: [&str; 3] = ["Bosch", "Dyer", "3M"];

/// Kinds of devices and the word their names begin with.
pub(crate) const DEVICES: [(&str, &str); 5] = [
    ("TRACKER", "tracker"),
    ("METER", "meter"),
    ("GATEWAY", "gateway"),
    ("CAMERA", "camera"),
    ("SENSOR", "sensor"),
];
