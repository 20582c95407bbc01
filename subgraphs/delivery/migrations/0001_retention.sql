ALTER TABLE "delivery"."request_target" ADD COLUMN IF NOT EXISTS "created_at" timestamp (3) with time zone DEFAULT now() NOT NULL;--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "callback_secret_replaced" ON "delivery"."callback_secret" USING btree ("signs_until") WHERE "delivery"."callback_secret"."signs_until" is not null;--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "delivery_by_age" ON "delivery"."delivery" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "request_target_by_age" ON "delivery"."request_target" USING btree ("created_at");
