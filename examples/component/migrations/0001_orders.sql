CREATE TABLE orders (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  placed_at   timestamptz NOT NULL DEFAULT now(),
  customer    text NOT NULL,
  total_cents bigint NOT NULL CHECK (total_cents >= 0)
);
