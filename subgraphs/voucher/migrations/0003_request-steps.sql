ALTER TABLE "voucher"."voucher_request" ADD COLUMN IF NOT EXISTS "asked_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "voucher"."voucher_request" ADD COLUMN IF NOT EXISTS "acknowledged_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "voucher"."voucher_request" ADD COLUMN IF NOT EXISTS "stored_at" timestamp (3) with time zone;--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "voucher_request_of_user" ON "voucher"."voucher_request" USING btree ("user_id","requested_at","id");