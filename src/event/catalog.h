// The known Bitrix24 events: their codes, what they carry and where the entity's id is.
// The data is catalog.tsv beside this file, compiled in.  An unknown code works too: kind and id
// follow from its spelling and a default search.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "form/tree.h"

namespace bx {

struct CatalogEvent {
    std::string_view code;      // "ONCRMDEALUPDATE"
    std::string_view name;      // as Bitrix24's documentation spells it
    std::string_view scope;     // REST scope: "crm"
    // Below data, first found wins; often {"FIELDS.ID"}.  "A+B" is the values at A and B joined by
    // ':', both of which must be there; "." is data itself.
    std::vector<std::string_view> id_paths;
    std::string_view sample;    // `data` of a sample event, as JSON
};

// All known events, in the order of their codes.
std::span<const CatalogEvent> catalog();

// The entry of CODE (any case), or null.  ONCRMDYNAMICITEMUPDATE_1220 finds the entry of
// ONCRMDYNAMICITEMUPDATE unless it has one of its own.
const CatalogEvent* find_event(std::string_view code);

// The code of a known event nearest to WORD in spelling; empty when none is near enough to be meant.
std::string_view nearest_event(std::string_view word);

// True for what an event has at its top: event, event_handler_id, data, ts, auth, and what a robot
// and an SMS have (kinds.h).
bool is_top_field(std::string_view name);

// Every path of a scalar in the event's sample, dotted, below data: "FIELDS.ID".
std::vector<std::string> field_paths(const CatalogEvent& event);

// CODE in upper case without its verb: ONCRMDEALUPDATE and ONCRMDEALMOVETOCATEGORY are ONCRMDEAL,
// CATALOG.PRICE.ON.ADD is CATALOG.PRICE.  A dynamic item's gets "_" and data.FIELDS.ENTITY_TYPE_ID,
// with or without the suffix _1220 of its code.
std::string kind_of(std::string_view code, Value data);

// The verb kind_of takes off, upper case; empty when the code has none, as those of a robot or an
// SMS (kinds.h).
std::string_view verb_of(std::string_view code);

// The entity's id in DATA, or empty: the first scalar that is not empty, not "undefined", not "0" and
// at most 255 bytes, of the catalog's paths for CODE, then FIELDS.ID, FIELDS_AFTER.ID,
// FIELDS_BEFORE.ID, ID, id.
std::string id_of(std::string_view code, Value data);

}  // namespace bx
