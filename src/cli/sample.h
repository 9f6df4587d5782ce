// A sample of an event, as Bitrix24 would send it from a portal of the config.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "cli/form_fields.h"
#include "config/config.h"

namespace bx {

// The portal that the event comes from: the one whose domain or member_id is NAME, the first when
// NAME is empty.  When none is configured, an invented one, which only the store takes.  Throws
// Error when there is none of that name.
Portal sender(const Config& config, const std::string& name);

// What comes by post and is no event of Bitrix24's own.
struct PostSample {
    std::string_view prefix;   // of its code: "ROBOT."
    std::string_view name;     // for people
    std::string_view scope;    // REST scope of what sends it; empty: it has no token
    std::string_view kind;     // of entity; empty: that of the document, or none
    std::string_view id_path;  // from the top; empty: it has no id
    std::string_view fields;   // as JSON
};
std::span<const PostSample> post_samples();
// Of CODE, in any case; null: it is none of such a post.
const PostSample* sample_of_post(std::string_view code);

// A sample of the event CODE from PORTAL, sent at NOW; keys and order are those of Bitrix24.  CODE
// may be that of another post (event/kinds.h): what a robot, an SMS, CRM's webhook robot sends, or a
// form of a site.  Of an unknown event, which is remarked, the entity's id alone.
FormFields sample_form(const std::string& code, const Portal& portal, Millis now);

}  // namespace bx
