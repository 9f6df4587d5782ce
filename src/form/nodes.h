// How a Tree lies in memory: its nodes, the buffer with their keys and texts, and the children of
// its arrays.  For tree.cpp alone.
//
// A node stands for a value and for the arrays above it that have no other child: "a[b][c]=1" makes
// one node whose path is the keys "a", "b", "c".  The first key of the path is the one in the array
// that holds the node.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace bx {

// A piece of a tree's buffer.
struct Slice {
    std::uint32_t offset = 0;
    std::uint32_t length = 0;
};

// Where a value stands: a node, and which key of its path, as a range of the path's bytes.
struct Place {
    std::uint32_t node = 0;
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
};

using NodeId = std::uint32_t;
constexpr NodeId no_node = std::numeric_limits<NodeId>::max();

// Of the value of a path's last key, fresh at first; those before it are arrays.
enum class NodeKind : std::uint32_t { fresh, text, array, dropped };

// Packed to 12 bytes: a hostile body is mostly nodes.
struct TreeNode {
    std::uint32_t path = 0;    // offset of its keys, joined by NUL
    NodeId next = no_node;     // sibling
    NodeKind kind : 2 = NodeKind::fresh;
    std::uint32_t rewritten : 1 = 0;
    std::uint32_t is_wide : 1 = 0;
    std::uint32_t rest : 28 = 0;  // its Extent, packed; of a wide one its index among the wide ones
};

class Nodes {
public:
    // The longest buffer: so that whatever counts its bytes or fields fits in a node's 28 bits.
    static constexpr std::size_t max_bytes = (std::size_t{1} << 28) - 1;

    // What else there is to say of a node.
    struct Extent {
        std::uint32_t path_length;
        std::uint32_t content;  // a text's offset, an array's index
        std::uint32_t length;   // a text's
    };

    // One node: the root, an array with the index 0.  Throws Error when BUFFER is over max_bytes.
    explicit Nodes(std::string buffer);

    std::string& buffer() { return buffer_; }
    const std::string& buffer() const { return buffer_; }
    std::string_view view(Slice slice) const {
        return {buffer_.data() + slice.offset, slice.length};
    }

    TreeNode& operator[](NodeId id) { return nodes_[id]; }
    const TreeNode& operator[](NodeId id) const { return nodes_[id]; }
    NodeId end() const { return static_cast<NodeId>(nodes_.size()); }  // of the next that is added
    void add(const TreeNode& node) { nodes_.push_back(node); }
    void reserve(std::size_t count) { nodes_.reserve(count); }

    // -- A node's extent.  It is packed when the path is short and the text, short too, comes soon
    // after it, as in most bodies: 8 bits of path_length, then 20 of an array's index, or 8 of the
    // gap between path and text and 12 of the text's length.
    std::uint32_t path_length(const TreeNode& node) const {
        return node.is_wide ? wide_[node.rest].path_length : node.rest & 0xff;
    }
    std::uint32_t array_index(const TreeNode& node) const {
        const std::uint32_t rest = node.rest;
        return node.is_wide ? wide_[rest].content : rest >> 8;
    }
    Extent extent(const TreeNode& node) const;
    void set(TreeNode& node, NodeKind kind, const Extent& extent);

    // -- The keys of its path.
    std::string_view path(NodeId id) const {
        return view({nodes_[id].path, path_length(nodes_[id])});
    }
    // True for the place of a key before the path's last one: an array with one child.
    bool is_inner(Place place) const { return place.end < path_length(nodes_[place.node]); }
    Place first_key(NodeId id) const;
    Place key_after(Place place) const;
    bool begins_with(NodeId id, std::string_view key) const;  // KEY is the first of the path

private:
    std::string buffer_;
    std::vector<TreeNode> nodes_;
    std::vector<Extent> wide_;
};

struct TreeArray {
    std::int64_t largest = 0;  // int key ever, when has_index
    NodeId first = no_node;
    NodeId last = no_node;
    std::uint32_t table = no_table;  // made by the first look-up that needs it
    std::uint32_t count : 31 = 0;    // children, dropped ones too
    bool has_index : 1 = false;      // ever had an int key

    static constexpr std::uint32_t no_table = std::numeric_limits<std::uint32_t>::max();
};

// The arrays of a tree.  One with more than a few children is looked up through a hash table,
// seeded, so that colliding keys cannot be prepared.
class Arrays {
public:
    TreeArray& operator[](std::uint32_t index) { return arrays_[index]; }
    const TreeArray& operator[](std::uint32_t index) const { return arrays_[index]; }
    std::uint32_t add();  // its index
    // Address space for COUNT arrays, none of which gets more children than COUNT.
    void reserve(std::size_t count);

    // Puts NODE at the end of ARRAY; not into its table.
    static void link(Nodes& nodes, TreeArray& array, NodeId node);
    // The child of ARRAY whose path begins with KEY, or no_node.
    NodeId find(const Nodes& nodes, const TreeArray& array, std::string_view key) const;
    // True when ARRAY has a table or has grown enough for one.  A child that is added must then be
    // put into it, by slot(), before it is linked.
    static bool wants_table(const TreeArray& array) {
        return array.table != TreeArray::no_table || array.count >= linear_limit;
    }
    // Where in its table KEY is: its child, or 0 for the caller to fill.
    NodeId& slot(const Nodes& nodes, TreeArray& array, std::string_view key);

private:
    static constexpr std::uint32_t linear_limit = 16;  // children looked up without a table
    using Table = std::vector<NodeId>;                 // open addressing; 0 (the root) is free

    static std::size_t slot_of(const Nodes& nodes, const Table& table, std::string_view key);
    void ensure_free_slot(const Nodes& nodes, TreeArray& array);

    std::size_t most_children_ = Nodes::max_bytes;  // of an array
    std::vector<TreeArray> arrays_;
    std::vector<Table> tables_;
};

// -- Called for every node of a tree that is built or read.

inline Nodes::Extent Nodes::extent(const TreeNode& node) const {
    if (node.is_wide) return wide_[node.rest];
    const std::uint32_t length = path_length(node);
    if (node.kind == NodeKind::array) return {length, array_index(node), 0};
    const std::uint32_t rest = node.rest;
    return {length, node.path + length + (rest >> 8 & 0xff), rest >> 16};
}

inline Place Nodes::first_key(NodeId id) const {
    const std::string_view keys = path(id);
    const std::size_t end = std::min(keys.find('\0'), keys.size());
    return {id, 0, static_cast<std::uint32_t>(end)};
}

inline Place Nodes::key_after(Place place) const {
    const std::string_view keys = path(place.node);
    const std::uint32_t begin = place.end + 1;
    const std::size_t end = std::min(keys.find('\0', begin), keys.size());
    return {place.node, begin, static_cast<std::uint32_t>(end)};
}

inline bool Nodes::begins_with(NodeId id, std::string_view key) const {
    const std::string_view keys = path(id);
    return keys.size() >= key.size() && (keys.size() == key.size() || keys[key.size()] == '\0') &&
           std::memcmp(keys.data(), key.data(), key.size()) == 0;
}

inline void Arrays::link(Nodes& nodes, TreeArray& array, NodeId node) {
    nodes[node].next = no_node;
    if (array.last == no_node) {
        array.first = node;
    } else {
        nodes[array.last].next = node;
    }
    array.last = node;
    array.count = (array.count + 1) & 0x7fffffff;
}

}  // namespace bx
