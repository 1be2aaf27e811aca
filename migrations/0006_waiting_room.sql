-- +goose Up

-- Places in line. The rows are the waiting room: it is restored from those that have
-- not ended. The gatekeeper writes them, and the schedule writes held_until and
-- 'completed'. A user who joins has been looked up; a foreign key would let one
-- unknown user fail everybody who joined in the same commit.
CREATE TABLE queue_places (
    schedule_id bigint      NOT NULL,
    sequence    bigint      NOT NULL CHECK (sequence >= 1), -- order of joining
    user_id     uuid        NOT NULL,
    status      text        COLLATE "C" NOT NULL
                CHECK (status IN ('waiting', 'admitted', 'completed', 'expired', 'left')),
    claimed     boolean     NOT NULL, -- the holder was seen since being admitted
    joined_at   timestamptz NOT NULL,
    admitted_at timestamptz,
    ends_at     timestamptz, -- end of the admission, whatever a hold adds
    held_until  timestamptz, -- end of the hold that was taken with this place
    ended_at    timestamptz, -- completed, expired or left; null: live
    PRIMARY KEY (schedule_id, sequence),
    CHECK ((status IN ('waiting', 'admitted')) = (ended_at IS NULL)),
    CHECK ((admitted_at IS NULL) = (ends_at IS NULL)),
    CHECK (status <> 'waiting' OR admitted_at IS NULL),
    CHECK (status NOT IN ('admitted', 'completed', 'expired') OR admitted_at IS NOT NULL),
    CHECK (held_until IS NULL OR status = 'admitted'),
    CHECK (NOT claimed OR admitted_at IS NOT NULL),
    CHECK (ends_at > admitted_at)
) WITH (fillfactor = 80); -- claims and holds are HOT updates

-- One live place per user. The predicate is not status IN (waiting, admitted), which
-- says the same, so that being admitted does not touch this index.
CREATE UNIQUE INDEX queue_places_live_user ON queue_places (schedule_id, user_id)
    WHERE ended_at IS NULL;
-- The newest admissions of a schedule, and the tokens that must not be honoured.
CREATE INDEX queue_places_admissions ON queue_places (schedule_id, admitted_at)
    WHERE admitted_at IS NOT NULL;
CREATE INDEX queue_places_barred ON queue_places (schedule_id, ends_at)
    WHERE ended_at IS NOT NULL AND ends_at IS NOT NULL;
-- Admissions that should have ended.
CREATE INDEX queue_places_due ON queue_places (ends_at)
    WHERE ended_at IS NULL AND ends_at IS NOT NULL;

-- +goose Down
DROP TABLE queue_places;
