ALTER TABLE "delivery"."delivery" ADD COLUMN IF NOT EXISTS "endpoint_id" uuid DEFAULT '00000000-0000-0000-0000-000000000000' NOT NULL;--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "delivery_pending" ON "delivery"."delivery" USING btree ("endpoint_id","next_attempt_at") WHERE "delivery"."delivery"."status" = 'PENDING';
