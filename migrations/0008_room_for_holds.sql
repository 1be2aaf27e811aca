-- +goose Up

-- A place that is sold has three versions within minutes: admitted, held, completed. At
-- 80 % of a page every second hold found no room beside the row, and what should have
-- been a HOT update wrote four index entries. Pages that exist stay as they are.
ALTER TABLE queue_places SET (fillfactor = 50);

-- +goose Down
ALTER TABLE queue_places SET (fillfactor = 80);
