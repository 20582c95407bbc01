CREATE SCHEMA IF NOT EXISTS "delivery";
--> statement-breakpoint
CREATE TABLE "delivery"."attempt" (
	"delivery_id" uuid NOT NULL,
	"turn" integer NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"status" integer,
	"duration_ms" integer NOT NULL,
	"error" text,
	CONSTRAINT "attempt_delivery_id_turn_pk" PRIMARY KEY("delivery_id","turn")
);
--> statement-breakpoint
CREATE TABLE "delivery"."callback_secret" (
	"id" uuid PRIMARY KEY NOT NULL,
	"user_id" uuid NOT NULL,
	"secret" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"signs_until" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "delivery"."delivery" (
	"id" uuid PRIMARY KEY NOT NULL,
	"request_id" uuid NOT NULL,
	"voucher_id" uuid,
	"user_id" uuid NOT NULL,
	"channel" text NOT NULL,
	"url" text,
	"phone_number" text,
	"body" text NOT NULL,
	"status" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"next_attempt_at" timestamp (3) with time zone,
	"job_id" uuid,
	"turn" integer NOT NULL,
	"running" boolean NOT NULL,
	"failures" integer NOT NULL,
	"round" integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE "delivery"."request_target" (
	"request_id" uuid PRIMARY KEY NOT NULL,
	"user_id" uuid NOT NULL,
	"callback_url" text
);
--> statement-breakpoint
ALTER TABLE "delivery"."attempt" ADD CONSTRAINT "attempt_delivery_id_delivery_id_fk" FOREIGN KEY ("delivery_id") REFERENCES "delivery"."delivery"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "callback_secret_current" ON "delivery"."callback_secret" USING btree ("user_id") WHERE "delivery"."callback_secret"."signs_until" is null;--> statement-breakpoint
CREATE INDEX "callback_secret_by_user" ON "delivery"."callback_secret" USING btree ("user_id");--> statement-breakpoint
CREATE UNIQUE INDEX "delivery_by_request" ON "delivery"."delivery" USING btree ("request_id","channel");--> statement-breakpoint
CREATE INDEX "delivery_by_voucher" ON "delivery"."delivery" USING btree ("voucher_id");