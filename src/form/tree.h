// The decoded body: an ordered tree of strings and arrays, as PHP's $_POST is.
//
// Keys are unique within an array and keep the order of their first insertion.  A key that is a
// canonical decimal integer of 64 bits ("7", "-3", not "07") is an int key and moves the next index
// that an append gets (PHP: the largest int key ever + 1).
//
// Built for one pass over hostile input: time and memory are linear in the input whatever the keys
// are, and nothing recurses.  All bytes lie in one buffer, all nodes in one vector (nodes.h), and a
// run of arrays with a single child is one node, which is split where a later name parts from it.
// So a field costs at most two nodes however deep its name is.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "form/nodes.h"

namespace bx {

class Tree;

// A value of a Tree, or nothing.  As cheap to copy as a pointer; valid while its Tree lives and is
// not changed.
class Value {
public:
    Value() = default;

    explicit operator bool() const { return tree_ != nullptr; }
    bool is_array() const;
    bool is_text() const;           // a scalar: every scalar is a string
    std::string_view text() const;  // of a scalar; empty for an array or nothing
    std::string_view key() const;   // under which it stands in its array; the root's is empty
    std::uint32_t count() const;    // children of an array, 0 otherwise; walks them
    bool is_list() const;           // an array whose keys are exactly 0, 1, ... in this order
    // True when more than one assignment went to this value, or it changed between scalar and
    // array: two fields of the body named the same thing.
    bool rewritten() const;

    // The child of that key, or nothing.  Searches through an array that was only appended to.
    Value operator[](std::string_view key) const;
    // The value at a dotted path ("data.FIELDS.ID") below this one, or nothing.
    Value at(std::string_view path) const;

    // The children in order:  for (Value v = array.first(); v; v = v.next()) ...
    Value first() const;
    Value next() const;

private:
    friend class Tree;
    Value(const Tree* tree, Place place) : tree_(tree), place_(place) {}

    const Tree* tree_ = nullptr;
    Place place_;
};

class Tree {
public:
    static constexpr std::size_t max_bytes = Nodes::max_bytes;

    // An empty array at the root.  BUFFER becomes the tree's own; keys and texts are slices of it.
    // Throws Error when it is over max_bytes.
    explicit Tree(std::string buffer = {});

    Value root() const { return Value(this, {}); }
    Value at(std::string_view path) const { return root().at(path); }

    // -- Building.  A Slice is a piece of the tree's buffer.
    using Slice = bx::Slice;
    static constexpr Place root_place{};

    std::string& buffer() { return nodes_.buffer(); }
    std::size_t bytes() const { return nodes_.buffer().size(); }
    std::string_view view(Slice slice) const { return nodes_.view(slice); }
    Slice add_text(std::string_view text);  // appends TEXT to the buffer
    // The same after a separating NUL: keys added one after the other make one path (child).
    Slice add_key(std::string_view key);

    // Address space for what FIELDS fields can need, touched as it is used.  No array may get more
    // children than that.
    void reserve(std::size_t fields);

    // The child of ARRAY under KEY, made at the end when there is none: it is fresh until
    // something is set, in it or below, which must be the next change of the tree.  A scalar at
    // ARRAY becomes an array first.  KEY holds no NUL.  When it lies one byte behind a fresh
    // ARRAY's own key, that byte becomes the NUL between them.
    Place child(Place array, Slice key);
    // The index that an append to ARRAY gets; none when it would pass 2^63-1 (PHP drops it).
    std::optional<std::int64_t> next_index(Place array);
    // As child, for a KEY that is not in ARRAY: the next index.  Nothing is looked up.
    Place append(Place array, Slice key);
    // Makes the value a scalar; an array and all below it is gone.
    void set_text(Place place, Slice text) {
        become(place, NodeKind::text, text.offset, text.length);
    }
    // Makes the value an array: one it is already stays, a scalar becomes an empty one.
    void set_array(Place place);
    // Makes the value fresh again, as if nothing had been set; it counts as rewritten.
    void clear(Place place) { become(place, NodeKind::fresh); }
    // Hides the value from every reader.  Its place in the order is kept for its next assignment.
    void drop(Place place);

    bool is_fresh(Place place) const {
        return !nodes_.is_inner(place) && nodes_[place.node].kind == NodeKind::fresh;
    }
    Value value(Place place) const { return Value(this, place); }

private:
    friend class Value;

    TreeArray& array_of(NodeId node) { return arrays_[nodes_.array_index(nodes_[node])]; }
    const TreeArray& array_of(NodeId node) const {
        return arrays_[nodes_.array_index(nodes_[node])];
    }
    Value visible(NodeId node) const;

    bool lengthen(Place place, Slice key);
    TreeArray& array_at(Place place);
    void split(Place place);
    Place insert(TreeArray& array, Slice key);
    void link(TreeArray& array, Place place);
    void become(Place place, NodeKind kind, std::uint32_t content = 0, std::uint32_t length = 0);

    Nodes nodes_;
    Arrays arrays_;
};

// Visits all values below TOP in order: LEAF(scalar); ENTER(array) before what is in the array and
// LEAVE(array) after it, an empty one too.  Does not recurse: the sender chose the depth.
template <typename Enter, typename Leaf, typename Leave>
void walk(Value top, Enter enter, Leaf leaf, Leave leave) {
    std::vector<Value> open;  // arrays
    Value value = top.first();
    for (;;) {
        while (!value) {
            if (open.empty()) return;
            const Value array = open.back();
            open.pop_back();
            leave(array);
            value = array.next();
        }
        if (value.is_array()) {
            enter(value);
            open.push_back(value);
            value = value.first();
        } else {
            leaf(value);
            value = value.next();
        }
    }
}

// The keys that lead to a value.
using KeyPath = std::span<const std::string_view>;

// Calls VISIT(path, scalar) for every scalar below TOP, in order.  The path begins below TOP and is
// valid during the call.
template <typename Visit>
void each_scalar(Value top, Visit visit) {
    std::vector<std::string_view> path;
    walk(
        top, [&path](Value array) { path.push_back(array.key()); },
        [&](Value scalar) {
            path.push_back(scalar.key());
            visit(KeyPath(path), scalar);
            path.pop_back();
        },
        [&path](Value) { path.pop_back(); });
}

}  // namespace bx
