#include "form/nodes.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/error.h"
#include "base/random.h"
#include "base/siphash.h"

namespace bx {

namespace {

// One seed for the process: a sender sees no hash, so it need not change.
const SipKey& hash_seed() {
    static const SipKey seed{random_bits(), random_bits()};
    return seed;
}

// Where the look-up of KEY begins in a table of SIZE slots, under 2^32.
std::size_t first_slot(std::string_view key, std::size_t size) {
    return static_cast<std::size_t>((siphash(hash_seed(), key) >> 32) * size >> 32);
}

}  // namespace

Nodes::Nodes(std::string buffer) : buffer_(std::move(buffer)) {
    static_assert(sizeof(TreeNode) == 12 && sizeof(TreeArray) == 24);
    if (buffer_.size() > max_bytes) {
        throw Error("a body of " + std::to_string(buffer_.size()) + " bytes is over the " +
                    std::to_string(max_bytes) + " that can be decoded");
    }
    TreeNode& root = nodes_.emplace_back();
    root.next = no_node;
    set(root, NodeKind::array, {0, 0, 0});
}

// A node that is wide stays so.
void Nodes::set(TreeNode& node, NodeKind kind, const Extent& extent) {
    const bool is_array = kind == NodeKind::array;
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

// -- Arrays.

std::uint32_t Arrays::add() {
    arrays_.emplace_back();
    return static_cast<std::uint32_t>(arrays_.size() - 1);
}

void Arrays::reserve(std::size_t count) {
    most_children_ = count;
    arrays_.reserve(1 + count);
}

NodeId Arrays::find(const Nodes& nodes, const TreeArray& array, std::string_view key) const {
    if (array.table != TreeArray::no_table) {
        const Table& table = tables_[array.table];
        const NodeId found = table[slot_of(nodes, table, key)];
        return found == 0 ? no_node : found;
    }
    // The last one first: fields of one array come one after the other.
    if (array.last != no_node && nodes.begins_with(array.last, key)) return array.last;
    NodeId node = array.first;
    while (node != no_node && !nodes.begins_with(node, key)) node = nodes[node].next;
    return node;
}

NodeId& Arrays::slot(const Nodes& nodes, TreeArray& array, std::string_view key) {
    ensure_free_slot(nodes, array);
    Table& table = tables_[array.table];
    return table[slot_of(nodes, table, key)];
}

// Where KEY is in TABLE, or the free slot where it would be.
std::size_t Arrays::slot_of(const Nodes& nodes, const Table& table, std::string_view key) {
    std::size_t slot = first_slot(key, table.size());
    while (table[slot] != 0 && !nodes.begins_with(table[slot], key)) {
        slot = slot + 1 < table.size() ? slot + 1 : 0;
    }
    return slot;
}

// Gives ARRAY a table with a free slot for one more child: a table with few of them is replaced by
// one of four times the children, or of what the most children need.  The old one is freed first.
void Arrays::ensure_free_slot(const Nodes& nodes, TreeArray& array) {
    if (array.table == TreeArray::no_table) {
        array.table = static_cast<std::uint32_t>(tables_.size());
        tables_.emplace_back();
    }
    Table& table = tables_[array.table];
    if (array.count < table.size() / 4 * 3) return;
    assert(array.count <= most_children_);
    Table().swap(table);
    table.resize(std::min(std::size_t{array.count} * 4, (most_children_ / 3 + 1) * 4));
    for (NodeId node = array.first; node != no_node; node = nodes[node].next) {
        const std::string_view key = nodes.path(node).substr(0, nodes.first_key(node).end);
        std::size_t slot = first_slot(key, table.size());
        while (table[slot] != 0) slot = slot + 1 < table.size() ? slot + 1 : 0;  // all keys differ
        table[slot] = node;
    }
}

}  // namespace bx
