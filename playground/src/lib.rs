//! GraphiQL with a page of our own, and example operations. Everything is in the binary; nothing comes from a CDN.

/// An example operation: its name (the file's) and its text. The first comment line is its title.
pub type Operation = (&'static str, &'static str);

/// Every file of `operations/`, by name. Numbers at the front of names put them in order.
pub const OPERATIONS: &[Operation] = include!(concat!(env!("OUT_DIR"), "/operations.rs"));

/// What the page may do: its own files and its own server, nothing else. Inline styles are open because the
/// editor sets them.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file of the page.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Its path below the server's root, without the first slash.
    pub path: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// Its bytes.
    pub body: &'static [u8],
    /// Whether the path names a version, so that it may be cached for ever.
    pub immutable: bool,
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// The page itself.
pub const PAGE: Asset = Asset {
    path: "",
    content_type: "text/html; charset=utf-8",
    body: include_bytes!("../page/index.html"),
    immutable: false,
};

/// The files that the page loads.
pub const ASSETS: &[Asset] = &[
    Asset {
        path: "playground/page.css",
        content_type: STYLE,
        body: include_bytes!("../page/page.css"),
        immutable: false,
    },
    Asset {
        path: "playground/page.js",
        content_type: SCRIPT,
        body: include_bytes!("../page/page.js"),
        immutable: false,
    },
    Asset {
        path: "playground/icon.svg",
        content_type: "image/svg+xml",
        body: include_bytes!("../page/icon.svg"),
        immutable: false,
    },
    Asset {
        path: "playground/react-18.3.1/react.js",
        content_type: SCRIPT,
        body: include_bytes!("../vendor/react.production.min.js"),
        immutable: true,
    },
    Asset {
        path: "playground/react-18.3.1/react-dom.js",
        content_type: SCRIPT,
        body: include_bytes!("../vendor/react-dom.production.min.js"),
        immutable: true,
    },
    Asset {
        path: "playground/graphiql-3.9.0/graphiql.js",
        content_type: SCRIPT,
        body: include_bytes!("../vendor/graphiql.min.js"),
        immutable: true,
    },
    Asset {
        path: "playground/graphiql-3.9.0/graphiql.css",
        content_type: STYLE,
        body: include_bytes!("../vendor/graphiql.min.css"),
        immutable: true,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_loads_its_own_files_only() {
        let page = String::from_utf8_lossy(PAGE.body);
        let paths: Vec<&str> = page
            .split(['"'])
            .filter(|part| part.starts_with('/') && part.len() > 1)
            .map(|part| part.trim_start_matches('/'))
            .collect();
        assert!(paths.len() >= 6, "{paths:?}");
        for path in paths {
            assert!(
                ASSETS.iter().any(|asset| asset.path == path),
                "{path} is not served"
            );
        }
        assert!(!page.contains("://"), "the page names another server");
        assert!(
            !page.contains("<script>") && !page.contains("onclick"),
            "the policy forbids inline scripts"
        );
    }

    #[test]
    fn every_example_has_a_title() {
        assert!(!OPERATIONS.is_empty());
        for (name, text) in OPERATIONS {
            assert!(
                text.starts_with("# "),
                "{name}.graphql begins with a comment: its title"
            );
        }
    }
}
