//! A message's head: its text as it was received, and where its parts are. Fields keep their order
//! and the case of their names; what is removed leaves the list, what is added comes at its end.
//!
//! Heads are used again ([`Head::clear`]), so that a call allocates none.

use std::io::Write as _;

use super::name::{Name, Names};

/// A version of HTTP, as the peer speaks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Version {
    Http10,
    Http11,
    Http2,
}

/// A request's or a response's head.
#[derive(Debug)]
pub(in crate::proxy) struct Head {
    text: Vec<u8>,
    /// Of a request: the method.
    method: Span,
    /// Of a request: the target. Of a response: the reason phrase.
    target: Span,
    /// Of a response.
    status: u16,
    version: Version,
    fields: Vec<Field>,
    present: Names,
}

#[derive(Clone, Copy, Debug, Default)]
struct Span {
    at: u32,
    len: u32,
}

#[derive(Clone, Copy, Debug)]
struct Field {
    name: Span,
    value: Span,
    known: Name,
}

impl Head {
    /// Nothing yet.
    pub(in crate::proxy) const fn new() -> Self {
        Self {
            text: Vec::new(),
            method: Span { at: 0, len: 0 },
            target: Span { at: 0, len: 0 },
            status: 0,
            version: Version::Http11,
            fields: Vec::new(),
            present: Names::none(),
        }
    }

    /// A request without fields.
    pub(in crate::proxy) fn request(&mut self, method: &[u8], target: &[u8], version: Version) {
        self.clear();
        self.method = self.add_text(method);
        self.target = self.add_text(target);
        self.version = version;
    }

    /// A response without fields.
    pub(in crate::proxy) fn response(&mut self, status: u16, reason: &[u8], version: Version) {
        self.clear();
        self.target = self.add_text(reason);
        self.status = status;
        self.version = version;
    }

    /// Forgets everything and keeps the memory, unless that is a lot.
    pub(in crate::proxy) fn clear(&mut self) {
        const KEPT_BYTES_MAX: usize = 8 << 10;
        if self.text.capacity() > KEPT_BYTES_MAX {
            self.text = Vec::new();
        }
        self.text.clear();
        self.fields.clear();
        self.present = Names::none();
        (self.method, self.target, self.status) = (Span::default(), Span::default(), 0);
    }

    pub(in crate::proxy) fn method(&self) -> &[u8] {
        self.span(self.method)
    }

    /// The request's target, byte for byte.
    pub(in crate::proxy) fn target(&self) -> &[u8] {
        self.span(self.target)
    }

    /// Path and query of a target in origin form.
    pub(in crate::proxy) fn path_and_query(&self) -> (&[u8], Option<&[u8]>) {
        let target = self.target();
        match memchr::memchr(b'?', target) {
            Some(at) => (&target[..at], Some(&target[at + 1..])),
            None => (target, None),
        }
    }

    /// Keeps a part of the target.
    pub(in crate::proxy) fn narrow_target(&mut self, range: std::ops::Range<usize>) {
        let at = self.target.at as usize + range.start;
        self.target = span_of(at, range.len());
    }

    /// Puts another target in the place of this one.
    pub(in crate::proxy) fn set_target(&mut self, target: &[u8]) {
        self.target = self.add_text(target);
    }

    /// How many fields there are.
    pub(in crate::proxy) const fn n_fields(&self) -> usize {
        self.fields.len()
    }

    /// The memory that it takes, in bytes.
    pub(in crate::proxy) const fn weight(&self) -> usize {
        self.text.len() + self.fields.len() * size_of::<Field>()
    }

    /// The response's status code.
    pub(in crate::proxy) const fn status(&self) -> u16 {
        self.status
    }

    /// The response's reason phrase, as received.
    pub(in crate::proxy) fn reason(&self) -> &[u8] {
        self.span(self.target)
    }

    /// What the peer speaks.
    pub(in crate::proxy) const fn version(&self) -> Version {
        self.version
    }

    /// All fields in their order: name as received, value without the space around it.
    pub(in crate::proxy) fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|field| (self.span(field.name), self.span(field.value)))
    }

    /// Whether there is such a field.
    pub(in crate::proxy) const fn has(&self, name: Name) -> bool {
        self.present.has(name)
    }

    /// The first value of a field.
    pub(in crate::proxy) fn get(&self, name: Name) -> Option<&[u8]> {
        self.all(name).next()
    }

    /// All values of a field, a line each.
    pub(in crate::proxy) fn all(&self, name: Name) -> impl Iterator<Item = &[u8]> + Clone {
        let fields = if self.has(name) { &self.fields[..] } else { &[] };
        let of_name = fields.iter().filter(move |field| field.known == name);
        of_name.map(|field| self.span(field.value))
    }

    /// All members of a field whose value is a list (RFC 9110 5.6.1), empty ones left out.
    pub(in crate::proxy) fn members(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        let members =
            self.all(name).flat_map(|line| line.split(|&b| b == b',').map(<[u8]>::trim_ascii));
        members.filter(|member| !member.is_empty())
    }

    /// Whether a list names this token, in any case.
    pub(in crate::proxy) fn lists(&self, name: Name, token: &[u8]) -> bool {
        self.has(name) && self.members(name).any(|member| member.eq_ignore_ascii_case(token))
    }

    /// The values of a field that is not among the known names (in any case).
    pub(in crate::proxy) fn all_named(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let is_it = move |(n, _): &(&[u8], &[u8])| n.eq_ignore_ascii_case(name.as_bytes());
        self.fields().filter(is_it).map(|(_, value)| value)
    }

    /// Takes fields away.
    pub(in crate::proxy) fn remove(&mut self, names: Names) {
        if self.present.meets(names) {
            self.fields.retain(|field| !names.has(field.known) || field.known == Name::Other);
            self.present = self.present.without(names);
        }
    }

    /// Takes the fields of this name away, known or not.
    pub(in crate::proxy) fn remove_named(&mut self, name: &[u8]) {
        let known = Name::of(name);
        if !self.present.has(known) {
            return;
        }
        let text = &self.text;
        self.fields.retain(|field| {
            let at = field.name.at as usize;
            field.known != known
                || !text[at..at + field.name.len as usize].eq_ignore_ascii_case(name)
        });
        if known != Name::Other && !self.fields.iter().any(|field| field.known == known) {
            self.present = self.present.without(Names::none().with(known));
        }
    }

    /// Adds a field at the end.
    pub(in crate::proxy) fn push(&mut self, name: &str, value: &[u8]) {
        self.push_bytes(name.as_bytes(), value);
    }

    /// Adds a field with the first value of another one.
    pub(in crate::proxy) fn push_value_of(&mut self, name: &str, other: Name) {
        let Some(of) = self.fields.iter().find(|field| field.known == other) else { return };
        let (known, at, len) = (Name::of(name.as_bytes()), of.value.at as usize, of.value.len);
        let name = self.add_text(name.as_bytes());
        let value = span_of(self.text.len(), len as usize);
        self.text.extend_from_within(at..at + len as usize);
        self.fields.push(Field { name, value, known });
        self.present = self.present.with(known);
    }

    pub(in crate::proxy) fn push_bytes(&mut self, name: &[u8], value: &[u8]) {
        let known = Name::of(name);
        let name = self.add_text(name);
        let value = self.add_text(value);
        self.fields.push(Field { name, value, known });
        self.present = self.present.with(known);
    }

    /// Puts one field in the place of all of that name.
    pub(in crate::proxy) fn set(&mut self, name: &str, value: &[u8]) {
        self.remove_named(name.as_bytes());
        self.push(name, value);
    }

    /// Appends the request as HTTP/1.1 knows it.
    pub(in crate::proxy) fn write_request(&self, out: &mut Vec<u8>) {
        out.reserve(self.text.len() + 32);
        out.extend_from_slice(self.method());
        out.push(b' ');
        out.extend_from_slice(self.target());
        out.extend_from_slice(b" HTTP/1.1\r\n");
        self.write_fields(out);
    }

    /// Appends the response; `is_old`: for an HTTP/1.0 client, some of which know no other version.
    pub(in crate::proxy) fn write_response(&self, out: &mut Vec<u8>, is_old: bool) {
        out.reserve(self.text.len() + 32);
        let minor = u8::from(!is_old);
        write!(out, "HTTP/1.{minor} {:03} ", self.status).expect("a Vec takes everything");
        out.extend_from_slice(self.reason());
        out.extend_from_slice(b"\r\n");
        self.write_fields(out);
    }

    /// Appends the fields, without the blank line after them.
    pub(in crate::proxy) fn write_fields(&self, out: &mut Vec<u8>) {
        for (name, value) in self.fields() {
            out.extend_from_slice(name);
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Takes a parsed head over: copies its text and notes where its parts are.
    pub(super) fn take_over(&mut self, text: &[u8], version: Version) {
        self.clear();
        self.text.extend_from_slice(text);
        self.version = version;
    }

    pub(super) fn note_request(&mut self, method: &[u8], target: &[u8], of: &[u8]) {
        self.method = place(method, of);
        self.target = place(target, of);
    }

    pub(super) fn note_response(&mut self, status: u16, reason: &[u8], of: &[u8]) {
        self.status = status;
        self.target = place(reason, of);
    }

    pub(super) fn note_field(&mut self, name: &[u8], value: &[u8], of: &[u8]) {
        let known = Name::of(name);
        let value = place(value.trim_ascii(), of);
        self.fields.push(Field { name: place(name, of), value, known });
        self.present = self.present.with(known);
    }

    /// Puts one space in the place of each line break of folded values and the space around it
    /// (RFC 9112 5.2).
    pub(super) fn unfold(&mut self) {
        for field in &mut self.fields {
            let at = field.value.at as usize;
            let value = &mut self.text[at..at + field.value.len as usize];
            let (mut n, mut is_in_fold) = (0, false);
            for i in 0..value.len() {
                match value[i] {
                    b'\r' | b'\n' => {
                        while n > 0 && matches!(value[n - 1], b' ' | b'\t') {
                            n -= 1;
                        }
                        is_in_fold = true;
                    }
                    b' ' | b'\t' if is_in_fold => {}
                    byte => {
                        if std::mem::take(&mut is_in_fold) {
                            value[n] = b' ';
                            n += 1;
                        }
                        value[n] = byte;
                        n += 1;
                    }
                }
            }
            field.value.len = u32::try_from(n).expect("it became no longer");
        }
    }

    fn span(&self, span: Span) -> &[u8] {
        &self.text[span.at as usize..][..span.len as usize]
    }

    fn add_text(&mut self, text: &[u8]) -> Span {
        let at = self.text.len();
        self.text.extend_from_slice(text);
        span_of(at, text.len())
    }
}

fn span_of(at: usize, len: usize) -> Span {
    let small = |n: usize| u32::try_from(n).expect("heads are at most some MiB");
    Span { at: small(at), len: small(len) }
}

/// Where a part of a text is in it.
fn place(part: &[u8], of: &[u8]) -> Span {
    if part.is_empty() {
        return Span::default();
    }
    span_of(part.as_ptr().addr() - of.as_ptr().addr(), part.len())
}
