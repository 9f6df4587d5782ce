#include "form/tree.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>

#include "base/error.h"

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

// The place of KEY in the path of PLACE's node, where it comes next.
Place behind(Place place, Slice key) {
    return {place.node, place.end + 1, place.end + 1 + key.length};
}

}  // namespace

// -- Reading.

bool Value::is_array() const {
    if (!tree_) return false;
    return tree_->nodes_.is_inner(place_) || tree_->nodes_[place_.node].kind == NodeKind::array;
}

bool Value::is_text() const {
    return tree_ && !is_array();
}

std::string_view Value::text() const {
    if (!is_text()) return {};
    const Nodes::Extent extent = tree_->nodes_.extent(tree_->nodes_[place_.node]);
    return tree_->view({extent.content, extent.length});
}

std::string_view Value::key() const {
    if (!tree_) return {};
    return tree_->nodes_.path(place_.node).substr(place_.begin, place_.end - place_.begin);
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
    return tree_ && !tree_->nodes_.is_inner(place_) && tree_->nodes_[place_.node].rewritten;
}

Value Value::operator[](std::string_view key) const {
    if (!is_array()) return {};
    if (tree_->nodes_.is_inner(place_)) {
        const Value child = first();
        return child.key() == key ? child : Value();
    }
    const NodeId found =
        tree_->arrays_.find(tree_->nodes_, tree_->array_of(place_.node), key);
    if (found == no_node || tree_->nodes_[found].kind == NodeKind::dropped) return {};
    return Value(tree_, tree_->nodes_.first_key(found));
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
    if (tree_->nodes_.is_inner(place_)) return Value(tree_, tree_->nodes_.key_after(place_));
    return tree_->visible(tree_->array_of(place_.node).first);
}

Value Value::next() const {
    if (!tree_ || place_.begin > 0 || place_.node == 0) return {};
    return tree_->visible(tree_->nodes_[place_.node].next);
}

// NODE, or the first sibling after it that was not dropped.
Value Tree::visible(NodeId node) const {
    while (node != no_node && nodes_[node].kind == NodeKind::dropped) node = nodes_[node].next;
    return node == no_node ? Value() : Value(this, nodes_.first_key(node));
}

// -- Building.

Tree::Tree(std::string buffer) : nodes_(std::move(buffer)) {
    arrays_.add();  // the root's
}

Slice Tree::add_text(std::string_view text) {
    std::string& bytes = buffer();
    if (text.size() > max_bytes - std::min(max_bytes, bytes.size())) {
        throw Error("decoded body is over the " + std::to_string(max_bytes) +
                    " bytes that can be held");
    }
    const Slice slice{static_cast<std::uint32_t>(bytes.size()),
                      static_cast<std::uint32_t>(text.size())};
    bytes += text;
    return slice;
}

Slice Tree::add_key(std::string_view key) {
    buffer() += '\0';
    return add_text(key);
}

// A field makes at most one node for itself and one where it splits another, and one array.
void Tree::reserve(std::size_t fields) {
    nodes_.reserve(1 + 2 * fields);
    arrays_.reserve(fields);
}

Place Tree::child(Place array, Slice key) {
    if (nodes_.is_inner(array)) {
        const Place inner = nodes_.key_after(array);
        if (value(inner).key() == view(key)) return inner;
    } else if (lengthen(array, key)) {
        return behind(array, key);
    }
    TreeArray& owner = array_at(array);
    if (!Arrays::wants_table(owner)) {
        const NodeId found = arrays_.find(nodes_, owner, view(key));
        return found == no_node ? insert(owner, key) : Place{found, 0, key.length};
    }
    NodeId& slot = arrays_.slot(nodes_, owner, view(key));
    if (slot != 0) return {slot, 0, key.length};
    slot = nodes_.end();
    return insert(owner, key);
}

Place Tree::append(Place array, Slice key) {
    if (lengthen(array, key)) return behind(array, key);
    TreeArray& owner = array_at(array);
    if (owner.table != TreeArray::no_table) {
        arrays_.slot(nodes_, owner, view(key)) = nodes_.end();
    }
    return insert(owner, key);
}

std::optional<std::int64_t> Tree::next_index(Place array) {
    if (is_fresh(array)) return 0;
    const TreeArray& owner = array_at(array);
    if (!owner.has_index) return 0;
    if (owner.largest == std::numeric_limits<std::int64_t>::max()) return std::nullopt;
    return owner.largest + 1;
}

void Tree::set_array(Place place) {
    if (nodes_.is_inner(place) || nodes_[place.node].kind == NodeKind::array) return;
    become(place, NodeKind::array, arrays_.add());
}

void Tree::drop(Place place) {
    if (place.begin == 0) {
        become(place, NodeKind::dropped);
        return;
    }
    // The only child of the array before it in the path, which is left empty.
    nodes_.set(nodes_[place.node], NodeKind::fresh, {place.begin - 1, 0, 0});
}

// Makes PLACE the end of its node's path and gives it KIND; what was there is unreachable then.
void Tree::become(Place place, NodeKind kind, std::uint32_t content, std::uint32_t length) {
    TreeNode& node = nodes_[place.node];
    if (!is_fresh(place)) node.rewritten = true;
    nodes_.set(node, kind, {place.end, content, length});
}

// Puts KEY behind PLACE's path if nothing is set there yet and KEY lies ready for it.  The node
// learns of its longer path when something is set in it.
bool Tree::lengthen(Place place, Slice key) {
    const TreeNode& node = nodes_[place.node];
    if (node.kind != NodeKind::fresh || node.rewritten || node.path + place.end + 1 != key.offset) {
        return false;
    }
    buffer()[key.offset - 1] = '\0';
    return true;
}

// The array at PLACE, made when there is none.
TreeArray& Tree::array_at(Place place) {
    if (nodes_.is_inner(place)) {
        split(place);
    } else {
        set_array(place);
    }
    return array_of(place.node);
}

// Ends the node's path at PLACE: what follows becomes a node of its own, the only child.
void Tree::split(Place place) {
    const NodeId tail = nodes_.end();
    nodes_.add(nodes_[place.node]);
    Nodes::Extent rest = nodes_.extent(nodes_[tail]);
    nodes_[tail].path += place.end + 1;
    rest.path_length -= place.end + 1;
    nodes_.set(nodes_[tail], nodes_[tail].kind, rest);

    TreeNode& head = nodes_[place.node];
    head.rewritten = false;
    head.is_wide = false;  // the tail has its wide extent now
    const std::uint32_t array = arrays_.add();
    nodes_.set(head, NodeKind::array, {place.end, array, 0});
    link(arrays_[array], nodes_.first_key(tail));
}

// A fresh child of ARRAY, the last one.  Its node learns of its path as in lengthen.
Place Tree::insert(TreeArray& array, Slice key) {
    const Place place{nodes_.end(), 0, key.length};
    TreeNode node;
    node.path = key.offset;
    nodes_.add(node);
    link(array, place);
    return place;
}

// Puts the node at PLACE, its first key, at the end of ARRAY; not into its table.
void Tree::link(TreeArray& array, Place place) {
    Arrays::link(nodes_, array, place.node);
    if (const auto index = int_key(view({nodes_[place.node].path, place.end}))) {
        array.largest = array.has_index ? std::max(array.largest, *index) : *index;
        array.has_index = true;
    }
}

}  // namespace bx
