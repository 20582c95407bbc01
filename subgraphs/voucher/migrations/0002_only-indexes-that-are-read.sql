CREATE INDEX IF NOT EXISTS "voucher_request_overdue" ON "voucher"."voucher_request" USING btree ("published_at") WHERE "voucher"."voucher_request"."status" = 'PENDING';--> statement-breakpoint
DROP INDEX IF EXISTS "voucher"."voucher_request_pending";--> statement-breakpoint
DROP INDEX IF EXISTS "voucher"."voucher_request_by_user";
