CREATE TABLE "delivery"."endpoint" (
	"id" uuid PRIMARY KEY NOT NULL,
	"user_id" uuid NOT NULL,
	"origin" text NOT NULL,
	"url" text NOT NULL,
	"used_at" timestamp (3) with time zone NOT NULL,
	"last_success_at" timestamp (3) with time zone,
	"last_failure_at" timestamp (3) with time zone,
	"failing_since" timestamp (3) with time zone,
	"disabled_at" timestamp (3) with time zone
);
--> statement-breakpoint
ALTER TABLE "delivery"."delivery" ALTER COLUMN "request_id" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "delivery"."delivery" ADD COLUMN IF NOT EXISTS "notice_of" uuid;--> statement-breakpoint
ALTER TABLE "delivery"."delivery" ADD COLUMN "error" text;--> statement-breakpoint
CREATE INDEX "endpoint_by_user" ON "delivery"."endpoint" USING btree ("user_id","used_at");--> statement-breakpoint
CREATE INDEX "endpoint_by_age" ON "delivery"."endpoint" USING btree ("used_at");--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "delivery_notice" ON "delivery"."delivery" USING btree ("notice_of","created_at") WHERE "delivery"."delivery"."notice_of" is not null;
