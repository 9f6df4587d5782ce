#include "form/tree.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <cstring>
#include <random>

#include "base/error.h"
#include "base/siphash.h"

namespace bx {

namespace {

// The integer KEY is to PHP (ZEND_HANDLE_NUMERIC_STR): "0" or -?[1-9][0-9]* within 64 bits.
std::optional<std::int64_t> int_key(std::string_view key) {
    const std::size_t sign = key.starts_with('-') ? 1 : 0;
    const std::size_t digits = key.size() - sign;
    if (digits == 0 || digits > 19 || key[sign] < '0' || key[sign] > '9') return std::nullopt;
    if (key[sign] == '0' && key.size() > 1) return std::nullopt;
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), number);
    if (error != std::errc() || end != key.data() + key.size()) return std::nullopt;
    return number;
}

// One seed for the process: a sender sees no hash, so it need not change.
const SipKey& hash_seed() {
    static const SipKey seed = [] {
        std::random_device random;
        const auto word = [&random] { return std::uint64_t{random()} << 32 | random(); };
        return SipKey{word(), word()};
    }();
    return seed;
}

// Where the look-up of KEY begins in a table of SIZE slots, under 2^32.
std::size_t first_slot(std::string_view key, std::size_t size) {
    return static_cast<std::size_t>((siphash(hash_seed(), key) >> 32) * size >> 32);
}

// The place of KEY in the path of PLACE's node, where it comes next.
Place behind(Place place, Tree::Slice key) {
    return {place.node, place.end + 1, place.end + 1 + key.length};
}

}  // namespace

// -- Reading.

bool Value::is_array() const {
    if (!tree_) return false;
    return tree_->is_inner(place_) || tree_->nodes_[place_.node].kind == Tree::Kind::array;
}

bool Value::is_text() const {
    return tree_ && !is_array();
}

std::string_view Value::text() const {
    if (!is_text()) return {};
    const Tree::Extent extent = tree_->extent(tree_->nodes_[place_.node]);
    return tree_->view({extent.content, extent.length});
}

std::string_view Value::key() const {
    if (!tree_) return {};
    return tree_->path_of(place_.node).substr(place_.begin, place_.end - place_.begin);
}

std::uint32_t Value::count() const {
    std::uint32_t count = 0;
    for (Value child = first(); child; child = child.next()) ++count;
    return count;
}

bool Value::is_list() const {
    if (!is_array()) return false;
    std::array<char, 16> digits;
    std::uint32_t index = 0;
    for (Value child = first(); child; child = child.next()) {
        const auto end = std::to_chars(digits.begin(), digits.end(), index++).ptr;
        if (child.key() != std::string_view(digits.begin(), end)) return false;
    }
    return true;
}

bool Value::rewritten() const {
    return tree_ && !tree_->is_inner(place_) && tree_->nodes_[place_.node].rewritten;
}

Value Value::operator[](std::string_view key) const {
    if (!is_array()) return {};
    if (tree_->is_inner(place_)) {
        const Value child = first();
        return child.key() == key ? child : Value();
    }
    const Tree::NodeId found = tree_->find(tree_->array_of(place_.node), key);
    if (found == Tree::none || tree_->nodes_[found].kind == Tree::Kind::dropped) return {};
    return Value(tree_, tree_->first_key(found));
}

Value Value::at(std::string_view path) const {
    Value value = *this;
    while (value && !path.empty()) {
        const std::size_t dot = std::min(path.find('.'), path.size());
        value = value[path.substr(0, dot)];
        path.remove_prefix(std::min(dot + 1, path.size()));
    }
    return value;
}

Value Value::first() const {
    if (!is_array()) return {};
    if (tree_->is_inner(place_)) return Value(tree_, tree_->key_after(place_));
    return tree_->visible(tree_->array_of(place_.node).first);
}

Value Value::next() const {
    if (!tree_ || place_.begin > 0 || place_.node == 0) return {};
    return tree_->visible(tree_->nodes_[place_.node].next);
}

// NODE, or the first sibling after it that was not dropped.
Value Tree::visible(NodeId node) const {
    while (node != none && nodes_[node].kind == Kind::dropped) node = nodes_[node].next;
    return node == none ? Value() : Value(this, first_key(node));
}

Place Tree::first_key(NodeId node) const {
    const std::string_view path = path_of(node);
    const std::size_t end = std::min(path.find('\0'), path.size());
    return {node, 0, static_cast<std::uint32_t>(end)};
}

Place Tree::key_after(Place place) const {
    const std::string_view path = path_of(place.node);
    const std::uint32_t begin = place.end + 1;
    const std::size_t end = std::min(path.find('\0', begin), path.size());
    return {place.node, begin, static_cast<std::uint32_t>(end)};
}

// -- Building.

Tree::Tree(std::string buffer) : buffer_(std::move(buffer)) {
    static_assert(sizeof(Node) == 12 && sizeof(Array) == 24);
    if (buffer_.size() > max_bytes) {
        throw Error("a body of " + std::to_string(buffer_.size()) + " bytes is over the " +
                    std::to_string(max_bytes) + " that can be decoded");
    }
    Node& root = nodes_.emplace_back();
    root.next = none;
    set(root, Kind::array, {0, new_array(), 0});
}

Tree::Slice Tree::add_text(std::string_view text) {
    if (text.size() > max_bytes - std::min(max_bytes, buffer_.size())) {
        throw Error("decoded body is over the " + std::to_string(max_bytes) +
                    " bytes that can be held");
    }
    const Slice slice{static_cast<std::uint32_t>(buffer_.size()),
                      static_cast<std::uint32_t>(text.size())};
    buffer_ += text;
    return slice;
}

Tree::Slice Tree::add_key(std::string_view key) {
    buffer_ += '\0';
    return add_text(key);
}

// A field makes at most one node for itself and one where it splits another, and one array.
void Tree::reserve(std::size_t fields) {
    most_children_ = fields;
    nodes_.reserve(1 + 2 * fields);
    arrays_.reserve(1 + fields);
}

Place Tree::child(Place array, Slice key) {
    if (is_inner(array)) {
        const Place inner = key_after(array);
        if (value(inner).key() == view(key)) return inner;
    } else if (lengthen(array, key)) {
        return behind(array, key);
    }
    Array& owner = array_at(array);
    if (owner.table == none && owner.count < linear_limit) {
        const NodeId found = find(owner, view(key));
        return found == none ? insert(owner, key) : Place{found, 0, key.length};
    }
    make_room(owner);
    Table& table = tables_[owner.table];
    const std::size_t slot = slot_of(table, view(key));
    if (table[slot] != 0) return {table[slot], 0, key.length};
    table[slot] = static_cast<NodeId>(nodes_.size());
    return insert(owner, key);
}

Place Tree::append(Place array, Slice key) {
    if (lengthen(array, key)) return behind(array, key);
    Array& owner = array_at(array);
    if (owner.table != none) {
        make_room(owner);
        Table& table = tables_[owner.table];
        table[slot_of(table, view(key))] = static_cast<NodeId>(nodes_.size());
    }
    return insert(owner, key);
}

std::optional<std::int64_t> Tree::next_index(Place array) {
    if (is_fresh(array)) return 0;
    const Array& owner = array_at(array);
    if (!owner.has_index) return 0;
    if (owner.largest == std::numeric_limits<std::int64_t>::max()) return std::nullopt;
    return owner.largest + 1;
}

void Tree::set_text(Place place, Slice text) {
    become(place, Kind::text, text.offset, text.length);
}

void Tree::set_array(Place place) {
    if (is_inner(place) || nodes_[place.node].kind == Kind::array) return;
    become(place, Kind::array, new_array());
}

void Tree::clear(Place place) {
    become(place, Kind::fresh);
}

void Tree::drop(Place place) {
    if (place.begin == 0) {
        become(place, Kind::dropped);
        return;
    }
    // The only child of the array before it in the path, which is left empty.
    Node& node = nodes_[place.node];
    set(node, Kind::fresh, {place.begin - 1, 0, 0});
}

bool Tree::is_fresh(Place place) const {
    return !is_inner(place) && nodes_[place.node].kind == Kind::fresh;
}

// Makes PLACE the end of its node's path and gives it KIND; what was there is unreachable then.
void Tree::become(Place place, Kind kind, std::uint32_t content, std::uint32_t length) {
    Node& node = nodes_[place.node];
    if (!is_fresh(place)) node.rewritten = true;
    set(node, kind, {place.end, content, length});
}

// Puts KEY behind PLACE's path if nothing is set there yet and KEY lies ready for it.  The node
// learns of its longer path when something is set in it.
bool Tree::lengthen(Place place, Slice key) {
    const Node& node = nodes_[place.node];
    if (node.kind != Kind::fresh || node.rewritten || node.path + place.end + 1 != key.offset) {
        return false;
    }
    buffer_[key.offset - 1] = '\0';
    return true;
}

// The array at PLACE, made when there is none.
Tree::Array& Tree::array_at(Place place) {
    if (is_inner(place)) {
        split(place);
    } else if (nodes_[place.node].kind != Kind::array) {
        become(place, Kind::array, new_array());
    }
    return array_of(place.node);
}

// Ends the node's path at PLACE: what follows becomes a node of its own, the only child.
void Tree::split(Place place) {
    const auto tail = static_cast<NodeId>(nodes_.size());
    nodes_.push_back(nodes_[place.node]);
    Extent rest = extent(nodes_[tail]);
    nodes_[tail].path += place.end + 1;
    rest.path_length -= place.end + 1;
    set(nodes_[tail], nodes_[tail].kind, rest);

    Node& head = nodes_[place.node];
    head.rewritten = false;
    head.is_wide = false;
    const std::uint32_t array = new_array();
    set(head, Kind::array, {place.end, array, 0});
    link(arrays_[array], first_key(tail));
}

// A fresh child of ARRAY, the last one.  Its node learns of its path as in lengthen.
Place Tree::insert(Array& array, Slice key) {
    const Place place{static_cast<NodeId>(nodes_.size()), 0, key.length};
    nodes_.emplace_back().path = key.offset;
    link(array, place);
    return place;
}

// Puts the node at PLACE, its first key, at the end of ARRAY; not into its table.
void Tree::link(Array& array, Place place) {
    const NodeId node = place.node;
    nodes_[node].next = none;
    if (array.last == none) {
        array.first = node;
    } else {
        nodes_[array.last].next = node;
    }
    array.last = node;
    array.count = (array.count + 1) & 0x7fffffff;

    if (const auto index = int_key(view({nodes_[node].path, place.end}))) {
        array.largest = array.has_index ? std::max(array.largest, *index) : *index;
        array.has_index = true;
    }
}

std::uint32_t Tree::new_array() {
    arrays_.emplace_back();
    return static_cast<std::uint32_t>(arrays_.size() - 1);
}

// -- A node's extent.  Packed: 8 bits of path_length, then 20 of an array's index, or 8 of the gap
// between path and text and 12 of the text's length.

std::uint32_t Tree::path_length(const Node& node) const {
    return node.is_wide ? wide_[node.rest].path_length : node.rest & 0xff;
}

std::uint32_t Tree::array_index(const Node& node) const {
    const std::uint32_t rest = node.rest;
    return node.is_wide ? wide_[rest].content : rest >> 8;
}

Tree::Extent Tree::extent(const Node& node) const {
    if (node.is_wide) return wide_[node.rest];
    const std::uint32_t length = path_length(node);
    if (node.kind == Kind::array) return {length, array_index(node), 0};
    const std::uint32_t rest = node.rest;
    return {length, node.path + length + (rest >> 8 & 0xff), rest >> 16};
}

// A node that is wide stays so.
void Tree::set(Node& node, Kind kind, const Extent& extent) {
    const bool is_array = kind == Kind::array;
    const std::uint32_t gap =
        extent.length == 0 ? 0 : extent.content - node.path - extent.path_length;  // wraps below 0
    const bool fits = extent.path_length <= 0xff && extent.length <= 0xfff &&
                      (is_array ? extent.content <= 0xfffff : gap <= 0xff);
    node.kind = kind;
    if (node.is_wide) {
        wide_[node.rest] = extent;
    } else if (fits) {
        const std::uint32_t content = is_array ? extent.content : gap | extent.length << 8;
        node.rest = (extent.path_length | content << 8) & 0xfffffff;
    } else {
        node.is_wide = true;
        node.rest = static_cast<std::uint32_t>(wide_.size()) & 0xfffffff;
        wide_.push_back(extent);
    }
}

// -- Finding a child.

// True when KEY is the first of NODE's path.
bool Tree::stands_at(NodeId node, std::string_view key) const {
    const std::string_view path = path_of(node);
    return path.size() >= key.size() && (path.size() == key.size() || path[key.size()] == '\0') &&
           std::memcmp(path.data(), key.data(), key.size()) == 0;
}

Tree::NodeId Tree::find(const Array& array, std::string_view key) const {
    if (array.table != none) {
        const Table& table = tables_[array.table];
        const NodeId found = table[slot_of(table, key)];
        return found == 0 ? none : found;
    }
    // The last one first: fields of one array come one after the other.
    if (array.last != none && stands_at(array.last, key)) return array.last;
    NodeId node = array.first;
    while (node != none && !stands_at(node, key)) node = nodes_[node].next;
    return node;
}

// Where KEY is in TABLE, or the free slot where it would be.
std::size_t Tree::slot_of(const Table& table, std::string_view key) const {
    std::size_t slot = first_slot(key, table.size());
    while (table[slot] != 0 && !stands_at(table[slot], key)) {
        slot = slot + 1 < table.size() ? slot + 1 : 0;
    }
    return slot;
}

// Sees to a table with room for one more child of ARRAY: one that has few free slots is replaced by
// one of four times the children, or of what the most children need.  The old one is freed first.
void Tree::make_room(Array& array) {
    if (array.table == none) {
        array.table = static_cast<std::uint32_t>(tables_.size());
        tables_.emplace_back();
    }
    Table& table = tables_[array.table];
    if (array.count < table.size() / 4 * 3) return;
    assert(array.count <= most_children_);
    Table().swap(table);
    table.resize(std::min(std::size_t{array.count} * 4, (most_children_ / 3 + 1) * 4));
    for (NodeId node = array.first; node != none; node = nodes_[node].next) {
        const std::string_view key = path_of(node).substr(0, first_key(node).end);
        std::size_t slot = first_slot(key, table.size());
        while (table[slot] != 0) slot = slot + 1 < table.size() ? slot + 1 : 0;  // all keys differ
        table[slot] = node;
    }
}

}  // namespace bx
