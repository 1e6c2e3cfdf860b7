//! What else partners send: enough of a look to name it.

use super::{encoding, private};

/// Whether `text` seems to be an RSA public key in PEM or base64.
pub fn is_rsa(text: &str) -> bool {
    if let Some((blocks, _)) = encoding::blocks(text)
        && !blocks.is_empty()
    {
        return blocks.iter().any(|block| matches!(block.label, "PUBLIC KEY" | "RSA PUBLIC KEY"));
    }
    encoding::base64(text).is_some_and(|der| {
        private::element(&der).is_some_and(|(tag, inner, _)| {
            tag == private::SEQUENCE && matches!(inner.first(), Some(&(private::SEQUENCE | private::INTEGER)))
        })
    })
}
