//! What requests mean, to the letter. Normative: [`crate::conformance`] tests each rule, and the
//! differential test holds every backend against [`evaluate`](super::evaluate).
//!
//! # Values
//!
//! * Text is Unicode without NUL. There is no normalisation on storing: what was written comes
//!   back. [`Kind::Text`](super::Kind::Text) is compared by its key, which [`fold`](super::fold)
//!   computes: without case, accents and compatibility forms, byte by byte.
//!   [`Kind::Code`](super::Kind::Code) is compared byte by byte as it is. No collation of a
//!   database takes part.
//! * Times are UTC, truncated to the microsecond, in the years 1 to 9999; so are dates. A leap
//!   second is the second behind it.
//! * Decimals are exact, kept at the field's scale (12.5 at scale 2 is 12.50), smaller than
//!   [`DECIMAL_LIMIT`](super::DECIMAL_LIMIT) in size; more digits than the scale are refused, not
//!   rounded. They compare as numbers: 1.0 equals 1.00. There is no floating point, hence no NaN.
//! * Lists keep their order and may hold a value twice. An empty list is absent; a list is never
//!   null.
//! * A document comes back equal: whole numbers as such, others as the nearest 64-bit float.
//! * A tenant's own fields are typed values under a key. Asked for as another kind than the
//!   stored one, a value counts as absent. Text may be asked for as text or as a code.
//!
//! # Filters
//!
//! * Two-valued. A comparison with an absent value is false, so its `Not` is true: "status is
//!   not lost" holds for a record without a status.
//! * `In` of no values matches nothing; `HasAll` of no values matches every record. `In` of a
//!   list field matches where the list has any of the values.
//! * A filter never compares with an absent value; it asks for absence by `Absent`.
//! * `Contains` and `StartsWith` take their argument literally: `%`, `_` and `\` are characters.
//!   The empty text is contained in every present text, and in no absent one.
//! * `Search`: every word is contained in the searchable text. A word has no white space, and the
//!   searchable text holds each field on a line of its own, so no word matches across fields.
//! * `Related` looks at the record referred to whether it is live or deleted; an absent reference
//!   matches no filter, not even `All`.
//! * `End` looks at the record of the same tenant, live or deleted, that a pair of fields names by
//!   type and identifier, among the types given. Type is the resource of a record type, compared
//!   byte by byte; identifier the one by which the type's records are known, which several may
//!   share: one that matches is enough. An end that names nothing, or a record of another tenant,
//!   or of a type not given, matches no filter, not even `All`. Each type's filter is checked
//!   against the limits by itself.
//! * Limits: [`MAX_CASES`](super::MAX_CASES), [`MAX_TERMS`](super::MAX_TERMS), [`MAX_DEPTH`](super::MAX_DEPTH),
//!   [`MAX_VALUES`](super::MAX_VALUES). Beyond them a request is refused, never cut.
//!
//! # Order and parts
//!
//! * Absent values come last in either direction. False comes before true.
//! * Ties are broken by the id, in the direction of the last key; without any key the newest id
//!   comes first, and keys behind the id decide nothing. So an order is total, and a cursor names
//!   a place in it, not a record: walking on works after the record it came from has changed or
//!   gone.
//! * Walking by cursor gives every record that was there all along and kept its place exactly
//!   once, whatever others insert, change or remove meanwhile.
//! * A page gives no cursor. A cursor's part gives `next` exactly where more lies behind it.
//! * The total counts all matching records, whatever the window.
//!
//! # Aggregates
//!
//! * Without a grouping there is exactly one group, also over no records: count 0, sum 0, no
//!   smallest, no largest. With one, there are only groups that have records.
//! * Groups come in the order of their keys, absent keys last. A group of texts shows the one
//!   that is smallest byte by byte among those that fold to the same key.
//! * Sums are exact decimals, of whole numbers too. Means are for the caller to divide.
//! * `Min` and `Max` of a text give its key.
//!
//! # Batches
//!
//! * All or nothing. All operations see the state before the batch, and none another's effect:
//!   no two concern one record, and none takes a unique key that another one frees.
//! * The store rejects, in this order: the first operation that is stale, whose record is gone or
//!   whose insert finds its id taken; then one that takes a unique key; then one that refers to a
//!   record that is neither there nor inserted by the batch; then a removal of a record that
//!   another one refers to, or that one written by the batch would refer to.
//! * Of several unique keys or references of one operation the first in the order of declaration is
//!   named; of several referring types the first in the order of the catalogue. Of two operations
//!   that take the same key the later one is at fault.
//! * A record that refers to itself may be removed. One that another refers to may not, also where
//!   the same batch removes the other one or makes it refer elsewhere: that effect is not seen.
//! * Unique keys hold among live records of a tenant, deleted ones do not count; restoring a
//!   record may be rejected. A record in which any field of the key is absent is not held to it.
//!   Text in keys compares by its key.
//! * A reference is to a record that exists in the same tenant, or to a global one. Lists of
//!   identifiers and ends are not references to the store: it neither refuses those that name
//!   nothing nor keeps what they name.
//! * Counters begin at 0 and belong to a tenant (or to the installation, in system scope).
//!   Concurrent increments never give the same value.
//! * A tenant's batch writes records of that tenant only; one with another tenant's or a global
//!   record is a fault of the library and refused. A system batch may write to any.
//! * After a commit has answered, every query by anyone sees its effect.
