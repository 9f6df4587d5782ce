#include "sqlite/secrets.h"

#include <algorithm>

#include "base/random.h"
#include "sqlite/statements.h"
#include "store/errors.h"

namespace bx::sqlite {

namespace {

constexpr std::size_t slot_unit = 64;
constexpr std::size_t owner_size = 8;   // first, little-endian: whose they are; 0: free
constexpr std::size_t length_size = 4;  // then, the same: how long they are
constexpr std::int64_t looked_at = 4;
constexpr int misses_in_vain = 64;
constexpr int then_every = 8;
// Of tokens: this, or twice, four times ... as much.
constexpr std::size_t tokens_at_least = 512;
// A piece begins with the slot of the next one (0: it is the last).
constexpr std::size_t piece_size = 4096;
constexpr std::size_t next_size = 8;
constexpr std::size_t piece_room = piece_size - owner_size - length_size - next_size;
constexpr std::size_t pieces_at_most = 1024;  // 4 MB; more are a circle

std::string encoded(std::uint64_t number, std::size_t size) {
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(number >> (8 * i) & 0xFF);
    return bytes;
}

std::uint64_t decoded(std::string_view bytes) {
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        number |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
    }
    return number;
}

// As a slot has them: whose they are, how long, the secrets, zeros up to a multiple of the unit.
std::string slot_data(std::int64_t owner, std::string_view secrets) {
    std::string data = encoded(static_cast<std::uint64_t>(owner), owner_size) +
                       encoded(secrets.size(), length_size);
    data += secrets;
    data.resize((data.size() + slot_unit - 1) / slot_unit * slot_unit);
    return data;
}

// In one of its size that is free, if there is any.
std::int64_t keep_in_spare(Database& database, const std::string& data) {
    if (const auto free = database.maybe_number(sql::slot_spare, data.size())) {
        database.run(sql::slot_take, *free, Blob{data});
        return *free;
    }
    database.run(sql::slot_make, Blob{data});
    return database.last_inserted();
}

struct Piece {
    std::int64_t next = 0;
    std::string text;
};

// None: it was erased.
std::optional<Piece> read_piece(Database& database, std::int64_t slot, std::int64_t owner) {
    std::optional<std::string> data = secrets_in(database, slot, owner);
    if (!data) return std::nullopt;
    if (data->size() < next_size) {
        throw StoreDamaged("its piece, in slot " + std::to_string(slot) + ", is damaged");
    }
    return Piece{static_cast<std::int64_t>(decoded(std::string_view(*data).substr(0, next_size))),
                 data->substr(next_size)};
}

// One that is free among the next few; none: none of these is.
std::optional<std::int64_t> find_free(Database& database, SlotHand& hand, std::size_t size) {
    if (hand.misses >= misses_in_vain && ++hand.misses % then_every != 0) return std::nullopt;
    if (!hand.at || *hand.at >= hand.last) {
        hand.last = database.number(sql::slot_last);
        const auto any = static_cast<std::int64_t>(random_bits() >> 1);
        hand.at = hand.at || hand.last == 0 ? 0 : any % hand.last;
    }
    const std::int64_t end = *hand.at + looked_at;
    const std::optional<std::int64_t> found =
        database.maybe_number(sql::slot_free, *hand.at, end, size);
    hand.at = found.value_or(end);
    hand.misses = found ? 0 : std::min(hand.misses + 1, misses_in_vain);
    return found;
}

}  // namespace

std::optional<std::int64_t> keep_secrets(Database& database, SlotHand& hand, std::int64_t owner,
                                         std::string_view secrets) {
    if (secrets.empty()) return std::nullopt;
    const std::string data = slot_data(owner, secrets);
    if (const auto free = find_free(database, hand, data.size())) {
        database.run(sql::slot_take, *free, Blob{data});
        return free;
    }
    database.run(sql::slot_make, Blob{data});
    return database.last_inserted();
}

std::int64_t replace_tokens(Database& database, std::optional<std::int64_t> before,
                            std::int64_t owner, std::string_view tokens) {
    std::string data = slot_data(owner, tokens);
    std::size_t size = tokens_at_least;
    while (size < data.size()) size *= 2;
    const auto room =
        static_cast<std::size_t>(before ? database.number(sql::slot_length, *before) : 0);
    data.resize(std::max(size, room));
    if (before && data.size() == room) {
        database.run(sql::slot_take, *before, Blob{data});
        return *before;
    }
    if (before) erase_secrets(database, *before, owner);
    return keep_in_spare(database, data);
}

std::int64_t keep_pieces(Database& database, std::int64_t owner, std::string_view secrets) {
    std::int64_t next = 0;
    for (std::size_t at = secrets.size() / piece_room * piece_room;; at -= piece_room) {
        std::string piece = encoded(static_cast<std::uint64_t>(next), next_size);
        piece += secrets.substr(at, piece_room);
        std::string data = slot_data(owner, piece);
        data.resize(piece_size);
        next = keep_in_spare(database, data);
        if (at == 0) return next;
    }
}

bool erase_secrets(Database& database, std::int64_t slot, std::int64_t owner) {
    const std::string mine = encoded(static_cast<std::uint64_t>(owner), owner_size);
    return database.run(sql::slot_erase, slot, Blob{mine}) > 0;
}

bool erase_pieces(Database& database, std::int64_t first, std::int64_t owner) {
    bool any = false;
    for (std::int64_t slot = first; slot != 0;) {
        std::optional<Piece> piece;
        try {
            piece = read_piece(database, slot, owner);
        } catch (const StoreDamaged&) {  // where the next one is is not known
        }
        if (!erase_secrets(database, slot, owner)) return any;  // of a circle too
        any = true;
        slot = piece ? piece->next : 0;
    }
    return any;
}

std::optional<std::string> pieces_in(Database& database, std::int64_t first, std::int64_t owner) {
    std::string text;
    std::size_t count = 0;
    for (std::int64_t slot = first; slot != 0;) {
        std::optional<Piece> piece = read_piece(database, slot, owner);
        if (!piece) return std::nullopt;
        if (++count > pieces_at_most) throw StoreDamaged("its pieces are damaged");
        text += piece->text;
        slot = piece->next;
    }
    return text;
}

std::optional<std::string> secrets_in(Database& database, std::int64_t slot, std::int64_t owner) {
    Rows rows = database.rows(sql::slot_data, slot);
    const std::string_view data = rows.next() ? rows.view(0) : std::string_view();
    const auto mine = static_cast<std::uint64_t>(owner);
    if (!data.empty() && data.size() % slot_unit == 0) {
        const std::uint64_t of = decoded(data.substr(0, owner_size));
        const std::uint64_t size = decoded(data.substr(owner_size, length_size));
        const std::string_view rest = data.substr(owner_size + length_size);
        if (of == 0 || of > mine) return std::nullopt;
        if (of == mine && size <= rest.size()) return std::string(rest.substr(0, size));
    }
    throw StoreDamaged("its secrets, in slot " + std::to_string(slot) + ", are damaged");
}

}  // namespace bx::sqlite
