CREATE INDEX IF NOT EXISTS "delivery_waiting" ON "delivery"."delivery" USING btree ("endpoint_id","next_attempt_at" DESC NULLS FIRST) WHERE "delivery"."delivery"."status" = 'PENDING' and not "delivery"."delivery"."running";--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "delivery_leases" ON "delivery"."delivery" USING btree ("next_attempt_at") WHERE "delivery"."delivery"."status" = 'PENDING' and "delivery"."delivery"."running";--> statement-breakpoint
DROP INDEX IF EXISTS "delivery"."delivery_pending";
