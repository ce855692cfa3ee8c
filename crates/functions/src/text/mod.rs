//! Functions on strings.

use crate::function::Function;

mod basic;
mod encode;
mod inet;
mod java_order;
mod java_regex;
mod printf;
mod regexp;
mod similar;
mod split;
mod units;
mod url;

/// Every function of this family.
pub(crate) const ALL: &[Function] = &[
    basic::UPPER,
    basic::LOWER,
    basic::INITCAP,
    basic::TRIM,
    basic::LTRIM,
    basic::RTRIM,
    basic::LPAD,
    basic::RPAD,
    basic::SUBSTRING,
    basic::LEFT,
    basic::RIGHT,
    basic::CHAR_LENGTH,
    basic::POSITION,
    basic::LOCATE,
    basic::INSTR,
    basic::OVERLAY,
    basic::REPLACE,
    basic::TRANSLATE,
    basic::REPEAT,
    basic::REVERSE,
    basic::SPLIT_INDEX,
    basic::CONCAT,
    basic::CONCAT_WS,
    basic::ELT,
    basic::OPERATOR,
    basic::BTRIM,
    encode::ASCII,
    encode::CHR,
    encode::TO_BASE64,
    encode::FROM_BASE64,
    encode::HEX,
    encode::UNHEX,
    encode::BIN,
    encode::MD5,
    encode::SHA1,
    encode::SHA224,
    encode::SHA256,
    encode::SHA384,
    encode::SHA512,
    encode::SHA2,
    encode::ENCODE,
    encode::DECODE,
    url::URL_ENCODE,
    url::URL_DECODE,
    encode::IS_ALPHA,
    encode::IS_DIGIT,
    encode::IS_DECIMAL,
    encode::STARTSWITH,
    encode::ENDSWITH,
    url::PARSE_URL,
    regexp::REGEXP_EXTRACT,
    regexp::REGEXP_REPLACE,
    regexp::REGEXP,
    regexp::REGEXP_COUNT,
    regexp::REGEXP_SUBSTR,
    regexp::REGEXP_INSTR,
    regexp::REGEXP_EXTRACT_ALL,
    split::SPLIT,
    split::STR_TO_MAP,
    inet::INET_ATON,
    inet::INET_NTOA,
    printf::PRINTF,
    similar::SIMILAR,
];
